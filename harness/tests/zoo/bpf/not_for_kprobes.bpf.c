// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_zoo_not_for_kprobes(__u64 number) __ksym;

SEC("kprobe/vfs_unlink")
int not_for_kprobes(void *ctx)
{
	bpf_zoo_not_for_kprobes(1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
