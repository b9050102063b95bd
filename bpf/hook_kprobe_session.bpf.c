// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* Entry and return are one session. Whoever returns 1 at entry skips the return. */
SEC("kprobe.session/vfs_unlink*")
int hook_kprobe_session(struct pt_regs *ctx)
{
	if (is_task("unlink"))
		bpf_printk("in or out of it");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
