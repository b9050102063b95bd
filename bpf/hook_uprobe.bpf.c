// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* The process that attaches this is the program that has the function. */
SEC("uprobe//proc/self/exe:kassay_add")
int BPF_UPROBE(hook_uprobe, __u64 a, __u64 b)
{
	bpf_printk("kassay_add is called with %llu and %llu", a, b);
	return 0;
}

SEC("uretprobe//proc/self/exe:kassay_add")
int BPF_URETPROBE(hook_uretprobe, __u64 sum)
{
	bpf_printk("kassay_add returns %llu", sum);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
