// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/udp.h>
#include "kassay.bpf.h"

/* Refuses what carries 0xff first. The data begin with the IP header. */
SEC("cgroup_skb/ingress")
int hook_cgroup_skb(struct __sk_buff *skb)
{
	__u8 first;
	int accept;

	if (bpf_skb_load_bytes(skb, sizeof(struct iphdr) + sizeof(struct udphdr), &first, 1))
		return 1;
	accept = first != 0xff;
	bpf_printk("a payload begins with %x: accept %d", first, accept);
	return accept;
}

char LICENSE[] SEC("license") = "GPL";
