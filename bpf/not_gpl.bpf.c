// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("syscall")
int not_gpl(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);

	if (task)
		bpf_put_task(task);
	return 0;
}

/* The source is, the object that says this is not. */
char LICENSE[] SEC("license") = "Proprietary";
