// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} sockets SEC(".maps");

/* In which task the socket is put into the map differs from run to run. */
int put;

/* The sockets that connect are in the map, by their ports. */
SEC("sockops")
int established(struct bpf_sock_ops *ops)
{
	__u32 port = ops->local_port;

	if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
	    !bpf_sock_hash_update(ops, &sockets, &port, BPF_ANY))
		put++;
	return 1;
}

/*
 * Whether a text may be sent is for its first byte to say. A drop stands for
 * all that the socket sends after it, of which no program is asked.
 */
SEC("sk_msg")
int hook_sk_msg(struct sk_msg_md *msg)
{
	__u8 *first = msg->data;
	int verdict;

	if (first + 1 > (__u8 *)msg->data_end)
		return SK_PASS;
	verdict = *first == '!' ? SK_DROP : SK_PASS;
	bpf_printk("%u bytes: verdict %d", msg->size, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
