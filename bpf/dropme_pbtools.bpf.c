// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

extern int kfunc_tc_ingress_clsact_filter(struct __sk_buff *skb) __ksym;
extern int kfunc_dropme_pbtools(struct __sk_buff *skb) __ksym;

SEC("tc/ingress")
int dropme_pbtools(struct __sk_buff *skb)
{
	int verdict = kfunc_dropme_pbtools(skb);

	bpf_printk("Result of pbtools was %d, of our own decoder %d", verdict,
		   kfunc_tc_ingress_clsact_filter(skb));
	return verdict == -1 ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
