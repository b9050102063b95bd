// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* TC_ACT_UNSPEC, TC_ACT_OK and TC_ACT_SHOT are -1, 0 and 2. */
SEC("action")
int first(struct __sk_buff *skb)
{
	int verdict = skb->len > 60 ? 0 : -1;

	bpf_printk("first: %u bytes, verdict %d", skb->len, verdict);
	return verdict;
}

/* What the first one lets in is not asked about again. */
SEC("action")
int second(struct __sk_buff *skb)
{
	int verdict = skb->len > 42 ? 2 : -1;

	bpf_printk("second: verdict %d", verdict);
	return verdict;
}

SEC("tc")
int last(struct __sk_buff *skb)
{
	bpf_printk("last");
	return 0;
}

/* Only what is sent back arrives there. */
SEC("action")
int at_sender(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
