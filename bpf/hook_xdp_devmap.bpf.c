// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
	__uint(max_entries, 1);
} devices SEC(".maps");

/* What is long goes back to where it came from. */
SEC("xdp")
int arriving(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;

	return length > 60 ? bpf_redirect_map(&devices, 0, 0) : XDP_PASS;
}

SEC("xdp/devmap")
int leaving(struct xdp_md *ctx)
{
	bpf_printk("%u bytes leave", ctx->data_end - ctx->data);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
