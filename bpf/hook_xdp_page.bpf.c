// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* Without `.frags` a frame has to fit a page. */
SEC("xdp")
int hook_xdp_page(struct xdp_md *ctx)
{
	bpf_printk("seen");
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
