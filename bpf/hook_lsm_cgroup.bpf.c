// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

#define AF_INET 2

struct socket;

struct sockaddr {
	unsigned short sa_family;
} KERNEL_TYPE;

/* 1 allows. Sockets of netlink connect, too. */
SEC("lsm_cgroup/socket_connect")
int BPF_PROG(hook_lsm_cgroup, struct socket *sock, struct sockaddr *address,
	     int length, int ret)
{
	if (address->sa_family != AF_INET)
		return 1;
	bpf_printk("an address of %d bytes", length);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
