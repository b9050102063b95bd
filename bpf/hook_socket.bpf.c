// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* What the socket gets says nothing of what others get. */
SEC("socket")
int hook_socket(struct __sk_buff *skb)
{
	bpf_printk("a frame of %u bytes", skb->len);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
