// SPDX-License-Identifier: GPL-2.0-only
/*
 * A short cut between two sockets of one machine: both ends of a connection are
 * in a SOCKHASH, and what one of them sends is put straight into the queue of the
 * other.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

struct connection {
	__u32 local_ip;
	__u32 remote_ip;
	__u32 local_port;
	__u32 remote_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65535);
	__type(key, struct connection);
	__type(value, __u64);
} connections SEC(".maps");

enum counter {
	ACTIVE,
	PASSIVE,
	REDIRECTED,
	NOT_LOCAL,
	BYTES,
	COUNTERS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void add(enum counter which, __u64 number)
{
	__u32 key = which;
	__u64 *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter)
		__sync_fetch_and_add(counter, number);
}

SEC("sockops")
int remember(struct bpf_sock_ops *ops)
{
	struct connection key = {
		.local_ip = ops->local_ip4,
		.remote_ip = ops->remote_ip4,
		.local_port = ops->local_port,
		.remote_port = bpf_ntohl(ops->remote_port),
	};

	if (ops->family != AF_INET)
		return 0;
	switch (ops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		add(ACTIVE, 1);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		add(PASSIVE, 1);
		break;
	default:
		return 0;
	}
	bpf_sock_hash_update(ops, &connections, &key, BPF_NOEXIST);
	return 0;
}

SEC("sk_msg")
int shortcut(struct sk_msg_md *msg)
{
	/* The peer has the same connection the other way round. */
	struct connection peer = {
		.local_ip = msg->remote_ip4,
		.remote_ip = msg->local_ip4,
		.local_port = bpf_ntohl(msg->remote_port),
		.remote_port = msg->local_port,
	};

	if (bpf_msg_redirect_hash(msg, &connections, &peer, BPF_F_INGRESS) != SK_PASS) {
		add(NOT_LOCAL, 1);
		return SK_PASS;
	}
	add(REDIRECTED, 1);
	add(BYTES, msg->size);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
