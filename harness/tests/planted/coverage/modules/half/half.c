// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_planted_half(int number)
{
	if (number < 0)
		return -EINVAL;
	return number / 2;
}

__bpf_kfunc u64 bpf_planted_uncalled(struct task_struct *task)
{
	return (unsigned long)task;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(half_ids)
BTF_ID_FLAGS(func, bpf_planted_half)
BTF_ID_FLAGS(func, bpf_planted_uncalled, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(half_ids)

MODULE_DESCRIPTION("Kfuncs of which a program runs half of the lines");
KASSAY_KFUNC_MODULE(half_ids, BPF_PROG_TYPE_SYSCALL);
