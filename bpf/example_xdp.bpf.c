// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet filter: networks that are blocked, and ports that are open. What it
 * does with each packet is counted by the action.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct network {
	__u32 prefixlen;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, __u8);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);
	__type(value, __u8);
} open_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XDP_REDIRECT + 1);
	__type(key, __u32);
	__type(value, __u64);
} actions SEC(".maps");

/* The destination port, in the order of the host; 0 where there is none to be seen. */
static __always_inline __u16 port_of(struct iphdr *ip, void *end)
{
	void *next = (void *)ip + ip->ihl * 4;
	struct udphdr *udp = next;
	struct tcphdr *tcp = next;

	switch (ip->protocol) {
	case IPPROTO_UDP:
		return (void *)(udp + 1) > end ? 0 : bpf_ntohs(udp->dest);
	case IPPROTO_TCP:
		return (void *)(tcp + 1) > end ? 0 : bpf_ntohs(tcp->dest);
	default:
		return 0;
	}
}

static __always_inline int verdict(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct network source = { .prefixlen = 32 };
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__u16 port;

	if ((void *)(eth + 1) > end)
		return XDP_ABORTED;
	if (eth->h_proto == bpf_htons(ETH_P_ARP))
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_DROP;
	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return XDP_ABORTED;
	__builtin_memcpy(source.address, &ip->saddr, sizeof(source.address));
	if (bpf_map_lookup_elem(&blocked, &source))
		return XDP_DROP;
	if (ip->protocol == IPPROTO_ICMP)
		return XDP_PASS;
	port = port_of(ip, end);
	return port && bpf_map_lookup_elem(&open_ports, &port) ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	__u32 action = verdict(ctx);
	__u64 *count = bpf_map_lookup_elem(&actions, &action);

	if (count)
		*count += 1;
	return action;
}

char LICENSE[] SEC("license") = "GPL";
