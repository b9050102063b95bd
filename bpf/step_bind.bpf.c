// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

#define SOCK_DGRAM 2

/* In all of these, 1 allows. There are no sockets for datagrams. */
SEC("cgroup/sock_create")
int created(struct bpf_sock *ctx)
{
	return ctx->type != SOCK_DGRAM;
}

/* Port 80 is another one, port 81 is nobody's, and port 82 is for the kernel to choose. */
SEC("cgroup/bind4")
int step_bind(struct bpf_sock_addr *ctx)
{
	__u16 port = bpf_ntohs(ctx->user_port);

	bpf_printk("bind to port %u", port);
	if (port == 80)
		ctx->user_port = bpf_htons(8080);
	if (port == 82)
		ctx->user_port = 0;
	return port != 81;
}

/* Which port it is, is known only here. */
SEC("cgroup/post_bind4")
int bound(struct bpf_sock *ctx)
{
	return ctx->src_port != 83;
}

char LICENSE[] SEC("license") = "GPL";
