// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern int bpf_task_nr_nullable(struct task_struct *task__nullable) __ksym;
extern int bpf_task_nr_trusted(struct task_struct *task) __ksym;

SEC("syscall")
int null(void *ctx)
{
	return bpf_task_nr_nullable(0);
}

SEC("syscall")
int unchecked(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	int pid = bpf_task_nr_nullable(task);

	if (task)
		bpf_put_task(task);
	return pid;
}

SEC("syscall")
int null_without_annotation(void *ctx)
{
	return bpf_task_nr_trusted(0);
}

char LICENSE[] SEC("license") = "GPL";
