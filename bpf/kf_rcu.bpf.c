// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern int bpf_task_nr_rcu(struct task_struct *task) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("syscall")
int in_read_section(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	struct task_struct *parent;
	int pid = -1;

	if (!task)
		return -1;
	bpf_rcu_read_lock();
	parent = task->real_parent;
	if (parent)
		pid = bpf_task_nr_rcu(parent);
	bpf_rcu_read_unlock();
	bpf_put_task(task);
	return pid;
}

SEC("syscall")
int outside_read_section(void *ctx)
{
	struct task_struct *task = bpf_find_get_task_by_vpid(1);
	int pid = -1;

	if (task) {
		pid = bpf_task_nr_rcu(task->real_parent);
		bpf_put_task(task);
	}
	return pid;
}

SEC("syscall")
int null(void *ctx)
{
	return bpf_task_nr_rcu(0);
}

char LICENSE[] SEC("license") = "GPL";
