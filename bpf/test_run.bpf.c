// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

/* Swaps the addresses of Ethernet, and drops what is no IPv4. */
SEC("xdp")
int turn_round(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	unsigned char source[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_DROP;
	__builtin_memcpy(source, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, source, ETH_ALEN);
	return XDP_TX;
}

/* Takes a header away. */
SEC("xdp")
int shorten(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, sizeof(struct ethhdr)) ? XDP_ABORTED : XDP_PASS;
}

/* Has the mark say how long the packet is. */
SEC("tc")
int mark(struct __sk_buff *skb)
{
	skb->mark += skb->len;
	return 0;
}

/* Returns the length of what it sees, which has no header of Ethernet. */
SEC("socket")
int measure(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("raw_tp")
int add(__u64 *args)
{
	return args[0] + args[1];
}

struct question {
	__u32 number;
	__u32 doubled;
};

SEC("syscall")
int twice(struct question *question)
{
	question->doubled = question->number * 2;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
