// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_types.bpf.h"

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	char name[16];
} __attribute__((preserve_access_index));

CALLS("struct_ops/cong_avoid", struct_ops, struct_ops)
CALLS_OTHER("struct_ops/ssthresh", struct_ops, tracing)

SEC(".struct_ops")
struct tcp_congestion_ops congestion = {
	.ssthresh = (void *)in_struct_ops_for_tracing,
	.cong_avoid = (void *)in_struct_ops,
	.name = "kassay",
};

char LICENSE[] SEC("license") = "GPL";
