// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

/* Port 80 is another one, and port 81 is nobody's. 1 allows. */
SEC("cgroup/bind6")
int step_bind6(struct bpf_sock_addr *ctx)
{
	__u16 port = bpf_ntohs(ctx->user_port);

	bpf_printk("bind to port %u", port);
	if (port == 80)
		ctx->user_port = bpf_htons(8080);
	return port != 81;
}

char LICENSE[] SEC("license") = "GPL";
