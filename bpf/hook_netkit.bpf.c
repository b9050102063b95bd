// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

enum { NEXT = -1, DROP = 2 };

/* It sees what is sent, and drops what is long. */
SEC("netkit/primary")
int there(struct __sk_buff *skb)
{
	int verdict = skb->len > 60 ? DROP : NEXT;

	bpf_printk("%u bytes sent: verdict %d", skb->len, verdict);
	return verdict;
}

SEC("netkit/primary")
int first(struct __sk_buff *skb)
{
	bpf_printk("before it, %u bytes", skb->len);
	return NEXT;
}

char LICENSE[] SEC("license") = "GPL";
