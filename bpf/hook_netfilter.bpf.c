// SPDX-License-Identifier: GPL-2.0-only
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define NF_DROP 0
#define NF_ACCEPT 1

/* The packet begins with its IP header. */
SEC("netfilter")
int hook_netfilter(struct bpf_nf_ctx *ctx)
{
	int verdict = ctx->skb->len > 40 ? NF_DROP : NF_ACCEPT;

	bpf_printk("%u bytes at hook %u: verdict %d", ctx->skb->len,
		   ctx->state->hook, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
