// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* On several functions; which one it is, its address tells. */
SEC("kprobe.multi/vfs_*link")
int hook_kprobe_multi(struct pt_regs *ctx)
{
	if (is_task("unlink"))
		bpf_printk("%ps", (void *)bpf_get_func_ip(ctx));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
