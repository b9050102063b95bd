// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

/* The task of this PID as the calling process sees it, with a reference. */
__bpf_kfunc struct task_struct *bpf_find_get_task_by_vpid(pid_t nr)
{
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(find_vpid(nr), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task;
}

__bpf_kfunc void bpf_put_task(struct task_struct *task)
{
	put_task_struct(task);
}

__bpf_kfunc int bpf_task_nr_trusted(struct task_struct *task)
{
	return task->pid;
}

/* What RCU protects may have lost its last reference, and is still readable. */
__bpf_kfunc int bpf_task_nr_rcu(struct task_struct *task)
{
	return task->pid;
}

__bpf_kfunc int bpf_task_nr_nullable(struct task_struct *task__nullable)
{
	return task__nullable ? task__nullable->pid : -ESRCH;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_refs_ids)
BTF_ID_FLAGS(func, bpf_find_get_task_by_vpid, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_put_task, KF_RELEASE)
BTF_ID_FLAGS(func, bpf_task_nr_trusted, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_task_nr_rcu, KF_RCU)
BTF_ID_FLAGS(func, bpf_task_nr_nullable, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(kfunc_refs_ids)

MODULE_DESCRIPTION("kfuncs that find, hold and take tasks");
KASSAY_KFUNC_MODULE(kfunc_refs_ids, BPF_PROG_TYPE_SYSCALL);
