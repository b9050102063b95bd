// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_NAME(__u64 a, __u64 b) __ksym;

SEC("kprobe/vfs_unlink")
int on_unlink(void *ctx)
{
	bpf_printk("The gcd of 12 and 18 is %llu", bpf_NAME(12, 18));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
