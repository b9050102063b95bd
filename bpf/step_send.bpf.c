// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

/* A protocol for experiments (IEEE 802), of which a frame has a number after its header. */
#define EXPERIMENT 0x88b6

struct frame {
	struct ethhdr header;
	__u8 number;
} __attribute__((packed));

unsigned int seen, kept, returned;

/* The number of an experiment's frame; -1 for others. */
static int number_of(void *data, void *end)
{
	struct frame *frame = data;

	if ((void *)(frame + 1) > end || frame->header.h_proto != bpf_htons(EXPERIMENT))
		return -1;
	return frame->number;
}

/* Number 255 does not leave. */
SEC("tc/egress")
int leaving(struct __sk_buff *skb)
{
	int number = number_of((void *)(long)skb->data, (void *)(long)skb->data_end);

	return number == 255 ? TC_ACT_SHOT : TC_ACT_OK;
}

/* The others are counted, and go no further. */
SEC("xdp.frags")
int step_send(struct xdp_md *ctx)
{
	int number = number_of((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	seen++;
	if (number < 0)
		return XDP_PASS;
	kept++;
	bpf_printk("number %d", number);
	return XDP_DROP;
}

SEC("tc")
int back(struct __sk_buff *skb)
{
	returned++;
	bpf_printk("%u bytes return", skb->len);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
