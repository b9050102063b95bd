// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

/* Nobody connects to port 81, and who wants port 80 gets port 8080. 1 allows. */
SEC("cgroup/connect6")
int step_connect6(struct bpf_sock_addr *ctx)
{
	__u16 port = bpf_ntohs(ctx->user_port);

	bpf_printk("protocol %u to port %u", ctx->protocol, port);
	if (port == 80)
		ctx->user_port = bpf_htons(8080);
	return port != 81;
}

char LICENSE[] SEC("license") = "GPL";
