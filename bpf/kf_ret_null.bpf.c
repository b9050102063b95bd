// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("syscall")
int checked(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	int pid = -1;

	if (task) {
		pid = task->pid;
		bpf_put_task(task);
	}
	return pid;
}

SEC("syscall")
int used_unchecked(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	int pid = task->pid;

	bpf_put_task(task);
	return pid;
}

SEC("syscall")
int released_unchecked(void *ctx)
{
	bpf_put_task(bpf_find_get_task_by_vpid(1));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
