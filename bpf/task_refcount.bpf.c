// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("syscall")
int find_init(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	int pid;

	if (!task)
		return -1;
	pid = task->pid;
	bpf_printk("Found the task with PID %d", pid);
	bpf_put_task(task);
	return pid;
}

SEC("syscall")
int find_nobody(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(0);

	if (!task)
		return -1;
	bpf_put_task(task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
