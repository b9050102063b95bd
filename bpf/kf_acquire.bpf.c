// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("syscall")
int released(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);

	if (task)
		bpf_put_task(task);
	return 0;
}

SEC("syscall")
int never_released(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);

	return task ? 1 : 0;
}

SEC("syscall")
int released_on_one_path(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);

	if (task && bpf_get_prandom_u32() % 2)
		bpf_put_task(task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
