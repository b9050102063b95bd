// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
	__uint(max_entries, 1);
} devices SEC(".maps");

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

/* The scenario says that it belongs into the map of CPUs. */
SEC("xdp")
int on_cpu(struct xdp_md *ctx)
{
	bpf_printk("on a CPU");
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
