// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* A packet of 29 bytes, with the headers of IP and UDP, does not leave. */
SEC("cgroup_skb/egress")
int hook_egress(struct __sk_buff *skb)
{
	int accept = skb->len != 29;

	bpf_printk("%d bytes leave: accept %d", skb->len, accept);
	return accept;
}

char LICENSE[] SEC("license") = "GPL";
