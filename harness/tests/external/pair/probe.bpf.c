// SPDX-License-Identifier: GPL-2.0-only
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "second.h"

extern __u64 bpf_pair_sum(__u64 a, __u64 b) __ksym;

SEC("syscall")
int sum(void *ctx)
{
	return bpf_pair_sum(PAIR_FIRST, PAIR_SECOND);
}

SEC("kprobe/vfs_unlink")
int probe(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	bpf_printk("pid %d has a parent: %d", BPF_CORE_READ(task, tgid),
		   BPF_CORE_READ(task, real_parent, tgid) > 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
