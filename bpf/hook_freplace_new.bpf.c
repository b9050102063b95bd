// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pkt_cls.h>
#include "kassay.bpf.h"

SEC("freplace/verdict")
int hook_freplace(struct __sk_buff *skb)
{
	int verdict = skb->len > 60 ? TC_ACT_SHOT : TC_ACT_OK;

	bpf_printk("%u bytes: verdict %d", skb->len, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
