// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} listeners SEC(".maps");

/* A socket that listens is in the map. */
SEC("sockops")
int listening(struct bpf_sock_ops *ops)
{
	__u32 first = 0;
	long error;

	if (ops->op != BPF_SOCK_OPS_TCP_LISTEN_CB)
		return 1;
	error = bpf_sock_map_update(ops, &listeners, &first, BPF_ANY);
	bpf_printk("port %u listens: %ld", ops->local_port, error);
	return 1;
}

/* That socket has port 7777, too. */
SEC("sk_lookup")
int step_listen(struct bpf_sk_lookup *ctx)
{
	__u32 first = 0;
	struct bpf_sock *sk;
	long error;

	if (ctx->local_port != 7777)
		return SK_PASS;
	sk = bpf_map_lookup_elem(&listeners, &first);
	if (!sk)
		return SK_DROP;
	error = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	bpf_printk("port 7777 is the socket's: %ld", error);
	return error ? SK_DROP : SK_PASS;
}

/* When the steps are done, nobody listens any more. 1 allows. */
SEC("cgroup/sock_release")
int closed(struct bpf_sock *sk)
{
	if (sk->state == BPF_TCP_LISTEN)
		bpf_printk("nobody listens");
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
