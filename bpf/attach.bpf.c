// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_nf_ctx;

enum { NEXT = -1, ACCEPT = 1 };

/* The scenario, not the section, says where it is. */
SEC("tc")
int elsewhere(struct __sk_buff *skb)
{
	bpf_printk("elsewhere: %u bytes", skb->len);
	return NEXT;
}

SEC("tcx/egress")
int second(struct __sk_buff *skb)
{
	bpf_printk("second: %u bytes", skb->len);
	return NEXT;
}

SEC("tc")
int late(struct __sk_buff *skb)
{
	bpf_printk("late: %u bytes", skb->len);
	return NEXT;
}

SEC("tc")
int early(struct __sk_buff *skb)
{
	bpf_printk("early: %u bytes", skb->len);
	return NEXT;
}

SEC("netfilter")
int on_its_way_out(struct bpf_nf_ctx *ctx)
{
	bpf_printk("on its way out");
	return ACCEPT;
}

char LICENSE[] SEC("license") = "GPL";
