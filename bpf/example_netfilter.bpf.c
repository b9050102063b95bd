// SPDX-License-Identifier: GPL-2.0-only
/* A firewall of one rule at netfilter: UDP to a closed port is dropped, and verdicts are counted. */
/* Some versions of bpftool declare them in vmlinux.h, as one kernel has them. */
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define NF_DROP 0
#define NF_ACCEPT 1

const volatile __u16 closed_port = 5353;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *ptr__uninit) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer,
			      __u32 buffer__szk) __ksym;

static bool is_closed(struct __sk_buff *skb)
{
	struct iphdr *ip, ip_buffer;
	struct udphdr *udp, udp_buffer;
	struct bpf_dynptr ptr;

	if (bpf_dynptr_from_skb(skb, 0, &ptr))
		return false;
	ip = bpf_dynptr_slice(&ptr, 0, &ip_buffer, sizeof(ip_buffer));
	if (!ip || ip->protocol != IPPROTO_UDP)
		return false;
	udp = bpf_dynptr_slice(&ptr, ip->ihl * 4, &udp_buffer, sizeof(udp_buffer));
	return udp && udp->dest == bpf_htons(closed_port);
}

static void count(__u32 verdict)
{
	__u64 *times = bpf_map_lookup_elem(&verdicts, &verdict);

	if (times)
		*times += 1;
}

SEC("netfilter")
int close_port(struct bpf_nf_ctx *ctx)
{
	if (is_closed((struct __sk_buff *)ctx->skb)) {
		bpf_printk("drop a datagram to port %d\n", closed_port);
		count(NF_DROP);
		return NF_DROP;
	}
	count(NF_ACCEPT);
	return NF_ACCEPT;
}

char LICENSE[] SEC("license") = "GPL";
