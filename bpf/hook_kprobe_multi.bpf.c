// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* On every system call; which one it is, the function's address tells. */
SEC("kprobe.multi/__x64_sys_*")
int hook_kprobe_multi(struct pt_regs *ctx)
{
	if (is_task("unlink"))
		bpf_printk("%ps", (void *)bpf_get_func_ip(ctx));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
