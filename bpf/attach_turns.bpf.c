// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* From include/uapi/linux/bpf.h, which older headers lack. */
#define TCX_NEXT -1

SEC("tcx/ingress")
int count(struct __sk_buff *skb)
{
	bpf_printk("count");
	return TCX_NEXT;
}

SEC("tcx/ingress")
int count_all(struct __sk_buff *skb)
{
	bpf_printk("count_all");
	return TCX_NEXT;
}

SEC("tcx/ingress")
int between(struct __sk_buff *skb)
{
	bpf_printk("between");
	return TCX_NEXT;
}

SEC("tc")
int of_priority(struct __sk_buff *skb)
{
	bpf_printk("of_priority");
	return -1;
}

SEC("tc")
int after_it(struct __sk_buff *skb)
{
	bpf_printk("after_it");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
