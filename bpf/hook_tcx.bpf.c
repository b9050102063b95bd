// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* TCX_PASS and TCX_DROP are 0 and 2. What is dropped at egress is never sent. */
SEC("tcx/ingress")
int arriving(struct __sk_buff *skb)
{
	bpf_printk("arriving");
	return 0;
}

SEC("tcx/egress")
int leaving(struct __sk_buff *skb)
{
	int verdict = skb->len > 80 ? 2 : 0;

	bpf_printk("leaving: verdict %d", verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
