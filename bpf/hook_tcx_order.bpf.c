// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* From include/uapi/linux/bpf.h, which older headers lack. */
#define TCX_NEXT -1
#define TCX_PASS 0

SEC("tcx/ingress")
int first(struct __sk_buff *skb)
{
	bpf_printk("first: %u bytes, next", skb->len);
	return TCX_NEXT;
}

/* What it passes is not asked about again, not even by the clsact qdisc. */
SEC("tcx/ingress")
int second(struct __sk_buff *skb)
{
	int verdict = skb->len > 60 ? TCX_PASS : TCX_NEXT;

	bpf_printk("second: verdict %d", verdict);
	return verdict;
}

SEC("tc")
int last(struct __sk_buff *skb)
{
	int verdict = skb->len > 42 ? 2 : 0;

	bpf_printk("last: verdict %d", verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
