// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* A packet begins with its IP header. BPF_OK and BPF_DROP are 0 and 2. */
static int at_most(struct __sk_buff *skb, __u32 bytes)
{
	return skb->len > bytes ? 2 : 0;
}

SEC("lwt_out")
int leaving(struct __sk_buff *skb)
{
	int verdict = at_most(skb, 60);

	bpf_printk("leaving: %u bytes, verdict %d", skb->len, verdict);
	return verdict;
}

SEC("lwt_xmit")
int sent(struct __sk_buff *skb)
{
	int verdict = at_most(skb, 50);

	bpf_printk("sent: verdict %d", verdict);
	return verdict;
}

SEC("lwt_in")
int arriving(struct __sk_buff *skb)
{
	int verdict = at_most(skb, 40);

	bpf_printk("arriving: verdict %d", verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
