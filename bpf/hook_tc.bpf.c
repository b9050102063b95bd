// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* Both have their turn, in this order: the first leaves the decision to others. */
SEC("tc/ingress")
int first(struct __sk_buff *skb)
{
	bpf_printk("first at ingress");
	return -1;
}

SEC("tc/ingress")
int second(struct __sk_buff *skb)
{
	bpf_printk("second at ingress");
	return 0;
}

SEC("tc/egress")
int leaving(struct __sk_buff *skb)
{
	bpf_printk("leaving, from interface %d", skb->ingress_ifindex);
	return 0;
}

/* No kernel has that function: libbpf leaves the program out unless it is asked for. */
SEC("?fentry/kassay_no_such_function")
int optional(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
