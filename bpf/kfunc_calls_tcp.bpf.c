// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_calls.bpf.h"

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*init)(struct sock *sk);
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} sockets SEC(".maps");

/* The socket that is connected to is in the map. */
SEC("sockops")
int established(struct bpf_sock_ops *ops)
{
	__u32 first = 0;

	if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		bpf_sock_map_update(ops, &sockets, &first, BPF_ANY);
	return 1;
}

CALL("sk_skb/stream_verdict", sk_skb, sk_skb, SK_PASS)
CALL("cgroup/connect4", connect4, cgroup_skb, 1)
CALL("lsm_cgroup/socket_connect", lsm_cgroup, tracing, 1)
CALL("struct_ops/init", struct_ops, struct_ops, 0)

/* Nothing is lost, so that of these only the window is asked for. */
SEC("struct_ops/cong_avoid")
void BPF_PROG(grow, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(halve, struct sock *sk)
{
	return 2;
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(keep, struct sock *sk)
{
	return 2;
}

SEC(".struct_ops")
struct tcp_congestion_ops congestion = {
	.init = (void *)call_struct_ops,
	.cong_avoid = (void *)grow,
	.ssthresh = (void *)halve,
	.undo_cwnd = (void *)keep,
	.name = "bpf_kassay",
};

char LICENSE[] SEC("license") = "GPL";
