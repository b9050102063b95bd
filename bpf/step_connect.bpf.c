// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

#define SERVICE 0xc6336401 /* 198.51.100.1 */
#define BACKEND 0xc0000202 /* 192.0.2.2 */

/* Nobody connects to port 81, and who wants the service gets its backend. 1 allows. */
SEC("cgroup/connect4")
int step_connect(struct bpf_sock_addr *ctx)
{
	__u16 port = bpf_ntohs(ctx->user_port);

	bpf_printk("protocol %u to port %u", ctx->protocol, port);
	if (port == 81)
		return 0;
	if (ctx->user_ip4 == bpf_htonl(SERVICE)) {
		ctx->user_ip4 = bpf_htonl(BACKEND);
		ctx->user_port = bpf_htons(8080);
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
