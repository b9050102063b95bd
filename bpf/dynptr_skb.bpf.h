/* SPDX-License-Identifier: GPL-2.0-only */
/* Of a socket buffer's dynptr, what the programs here share. */
#ifndef DYNPTR_SKB_BPF_H
#define DYNPTR_SKB_BPF_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include "kassay.bpf.h"

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *dynptr__uninit) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *dynptr, __u32 offset,
			      void *buffer__opt, __u32 buffer__szk) __ksym;

/* Where a payload begins. The packets here have no IP options. */
#define PAYLOAD (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))

#endif /* DYNPTR_SKB_BPF_H */
