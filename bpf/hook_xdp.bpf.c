// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include "kassay.bpf.h"

/*
 * Drops what carries 0xff first. The packets here have no IP options. A program
 * that knows of fragments may be attached whatever the MTU is.
 */
SEC("xdp.frags")
int hook_xdp(struct xdp_md *ctx)
{
	__u8 *payload = (void *)(long)ctx->data + sizeof(struct ethhdr) + sizeof(struct iphdr) +
			sizeof(struct udphdr);
	int verdict = XDP_PASS;

	if ((void *)(payload + 1) > (void *)(long)ctx->data_end)
		return verdict;
	if (*payload == 0xff)
		verdict = XDP_DROP;
	bpf_printk("a payload begins with %x: verdict %d", *payload, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
