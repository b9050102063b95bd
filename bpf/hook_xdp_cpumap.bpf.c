// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
	__uint(max_entries, 1);
} cpus SEC(".maps");

SEC("xdp")
int arriving(struct xdp_md *ctx)
{
	return bpf_redirect_map(&cpus, 0, 0);
}

/* It runs in a kernel thread of the CPU. */
SEC("xdp/cpumap")
int on_cpu(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	int verdict = length > 60 ? XDP_DROP : XDP_PASS;

	bpf_printk("%u bytes: verdict %d", length, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
