// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("syscall")
int acquired(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);

	if (task)
		bpf_put_task(task);
	return 0;
}

SEC("syscall")
int never_acquired(void *ctx)
{
	bpf_put_task(bpf_get_current_task_btf());
	return 0;
}

SEC("syscall")
int released_twice(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);

	if (task) {
		bpf_put_task(task);
		bpf_put_task(task);
	}
	return 0;
}

SEC("syscall")
int used_after_release(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);

	if (!task)
		return 0;
	bpf_put_task(task);
	return task->pid;
}

char LICENSE[] SEC("license") = "GPL";
