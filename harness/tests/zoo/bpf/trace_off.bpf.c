// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_zoo_trace_off(__u64 value) __ksym;

SEC("kprobe/vfs_unlink")
int trace_off(void *ctx)
{
	bpf_printk("before");
	bpf_zoo_trace_off(1);
	bpf_printk("after");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
