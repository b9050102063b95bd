// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("sk_lookup")
int hook_sk_lookup(struct bpf_sk_lookup *ctx)
{
	bpf_printk("who has port %u?", ctx->local_port);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
