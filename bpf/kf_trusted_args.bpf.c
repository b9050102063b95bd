// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern int bpf_task_nr_trusted(struct task_struct *task) __ksym;

SEC("syscall")
int acquired(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	int pid = -1;

	if (task) {
		pid = bpf_task_nr_trusted(task);
		bpf_put_task(task);
	}
	return pid;
}

/* Nothing says that the parent is still there. */
SEC("syscall")
int walked(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	int pid = -1;

	if (task) {
		pid = bpf_task_nr_trusted(task->real_parent);
		bpf_put_task(task);
	}
	return pid;
}

SEC("syscall")
int null(void *ctx)
{
	return bpf_task_nr_trusted(0);
}

char LICENSE[] SEC("license") = "GPL";
