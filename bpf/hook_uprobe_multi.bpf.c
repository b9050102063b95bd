// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* The process that attaches this is the program that has the functions. */
SEC("uprobe.multi//proc/self/exe:kassay_*")
int hook_uprobe_multi(struct pt_regs *ctx)
{
	bpf_printk("a function of the guest program is called");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
