// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_plant_null_missing(struct task_struct *task__nullable)
{
	return READ_ONCE(task__nullable->pid);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(null_missing_ids)
BTF_ID_FLAGS(func, bpf_plant_null_missing, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(null_missing_ids)

MODULE_DESCRIPTION("A kfunc that does not ask whether its task is there");
KASSAY_KFUNC_MODULE(null_missing_ids, BPF_PROG_TYPE_SYSCALL);
