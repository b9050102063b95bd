// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <bpf/bpf_endian.h>
#include "kassay.bpf.h"

#define AF_INET 2

struct socket;

struct sockaddr {
	unsigned short sa_family;
} KERNEL_TYPE;

/* The head of the kernel's own, whose layout is part of its interface. */
struct inet_address {
	unsigned short family;
	__be16 port;
};

/* Keeps port 80 free. What an earlier module refuses stays refused. */
SEC("lsm/socket_bind")
int BPF_PROG(step_bind_lsm, struct socket *sock, struct sockaddr *address, int length, int ret)
{
	struct inet_address inet = {};

	if (ret || length < sizeof(inet) || !is_task("bind"))
		return ret;
	bpf_probe_read_kernel(&inet, sizeof(inet), address);
	if (inet.family != AF_INET)
		return ret;
	ret = bpf_ntohs(inet.port) == 80 ? -EACCES : 0;
	bpf_printk("bind to port %u: %d", bpf_ntohs(inet.port), ret);
	return ret;
}

char LICENSE[] SEC("license") = "GPL";
