// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

/* Nobody of the cgroup may connect. */
SEC("cgroup/connect4")
int hook_connect4(struct bpf_sock_addr *ctx)
{
	bpf_printk("connect to port %u", bpf_ntohs(ctx->user_port));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
