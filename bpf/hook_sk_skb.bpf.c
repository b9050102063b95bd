// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} sockets SEC(".maps");

/* In which task either program runs differs from run to run. */
int put, bytes;

/* The socket that is connected to is in the map. */
SEC("sockops")
int established(struct bpf_sock_ops *ops)
{
	__u32 first = 0;

	if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB &&
	    !bpf_sock_map_update(ops, &sockets, &first, BPF_ANY))
		put++;
	return 1;
}

SEC("sk_skb/stream_verdict")
int hook_sk_skb(struct __sk_buff *skb)
{
	bytes += skb->len;
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
