// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two programs at one hook: the first counts what arrives and leaves the verdict
 * to the next, which drops what is too short to be a message of DNS.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define DNS_PORT 53
#define DNS_HEADER_LEN 12

struct traffic {
	__u64 packets;
	__u64 bytes;
};

/* By the protocol of IP. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u8);
	__type(value, struct traffic);
} traffic SEC(".maps");

__u64 passed, dropped;

static struct iphdr *ip_header(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = (void *)(long)skb->data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return NULL;
	return ip;
}

SEC("tcx/ingress")
int count(struct __sk_buff *skb)
{
	struct iphdr *ip = ip_header(skb);
	struct traffic first = {}, *entry;
	__u8 protocol;

	if (!ip)
		return TCX_NEXT;
	protocol = ip->protocol;
	bpf_map_update_elem(&traffic, &protocol, &first, BPF_NOEXIST);
	entry = bpf_map_lookup_elem(&traffic, &protocol);
	if (entry) {
		__sync_fetch_and_add(&entry->packets, 1);
		__sync_fetch_and_add(&entry->bytes, skb->len);
	}
	return TCX_NEXT;
}

SEC("tcx/ingress")
int decide(struct __sk_buff *skb)
{
	struct iphdr *ip = ip_header(skb);
	struct udphdr *udp;
	__u16 len;

	if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return TCX_PASS;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > (void *)(long)skb->data_end)
		return TCX_DROP;
	len = bpf_ntohs(udp->len);
	if (udp->dest == bpf_htons(DNS_PORT) && len < sizeof(*udp) + DNS_HEADER_LEN) {
		__sync_fetch_and_add(&dropped, 1);
		bpf_printk("drop a datagram of %d bytes\n", len);
		return TCX_DROP;
	}
	__sync_fetch_and_add(&passed, 1);
	return TCX_PASS;
}

char LICENSE[] SEC("license") = "GPL";
