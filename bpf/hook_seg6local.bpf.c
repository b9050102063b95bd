// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/seg6.h>
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

/* The tag of a segment routing header, which stands right behind that of IPv6. */
#define TAG (sizeof(struct ipv6hdr) + offsetof(struct ipv6_sr_hdr, tag))
#define ROUTING 43

/* The segments that are left are one fewer already. Tag 9 goes no further, others are counted up. */
SEC("lwt_seg6local")
int hook_seg6local(struct __sk_buff *skb)
{
	struct ipv6_sr_hdr header;
	__be16 tag;

	if (bpf_skb_load_bytes(skb, sizeof(struct ipv6hdr), &header, sizeof(header)))
		return BPF_DROP;
	bpf_printk("tag %u, %u segments left", bpf_ntohs(header.tag), header.segments_left);
	if (header.tag == bpf_htons(9))
		return BPF_DROP;
	tag = bpf_htons(bpf_ntohs(header.tag) + 1);
	return bpf_lwt_seg6_store_bytes(skb, TAG, &tag, sizeof(tag)) ? BPF_DROP : BPF_OK;
}

/* At the sending end, which is the next segment. */
SEC("tc")
int next(struct __sk_buff *skb)
{
	struct ipv6hdr ip;
	__be16 tag;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.nexthdr != ROUTING ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + TAG, &tag, sizeof(tag)))
		return TC_ACT_OK;
	bpf_printk("tag %u at the next segment, ::%u", bpf_ntohs(tag),
		   bpf_ntohs(ip.daddr.in6_u.u6_addr16[7]));
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
