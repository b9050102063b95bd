// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_zoo_context_left(__u64 what) __ksym;

const volatile __u64 what;
const volatile __u64 then;

SEC("kprobe/vfs_unlink")
int context_left(void *ctx)
{
	bpf_printk("before");
	bpf_zoo_context_left(what);
	bpf_printk("after");
	bpf_zoo_context_left(then);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
