// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} sockets SEC(".maps");

/* The data begin with the UDP header. */
SEC("sk_reuseport")
int hook_reuseport(struct sk_reuseport_md *md)
{
	__u32 first = 0;

	if (md->len > 16) {
		bpf_printk("%u bytes: nobody gets them", md->len);
		return SK_DROP;
	}
	bpf_printk("%u bytes: selected %d", md->len,
		   bpf_sk_select_reuseport(md, &sockets, &first, 0));
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
