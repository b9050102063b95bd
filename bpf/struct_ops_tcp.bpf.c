// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct sock;

struct tcp_sock {
	__u32 snd_cwnd;
} KERNEL_TYPE;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*init)(struct sock *sk);
	char name[16];
};

/* In which task the kernel asks, and how often, differs from run to run. */
int started, has_acks;

SEC("struct_ops/init")
void BPF_PROG(start, struct sock *sk)
{
	started++;
}

SEC("struct_ops/cong_avoid")
void BPF_PROG(grow, struct sock *sk, __u32 ack, __u32 acked)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	has_acks = 1;
	tp->snd_cwnd += acked;
}

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(halve, struct sock *sk)
{
	__u32 half = ((struct tcp_sock *)sk)->snd_cwnd / 2;

	return half < 2 ? 2 : half;
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(keep, struct sock *sk)
{
	return ((struct tcp_sock *)sk)->snd_cwnd;
}

SEC(".struct_ops")
struct tcp_congestion_ops congestion = {
	.init = (void *)start,
	.cong_avoid = (void *)grow,
	.ssthresh = (void *)halve,
	.undo_cwnd = (void *)keep,
	.name = "bpf_kassay",
};

char LICENSE[] SEC("license") = "GPL";
