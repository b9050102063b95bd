// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_not_for_kprobes(u64 number)
{
	return number;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(not_for_kprobes_ids)
BTF_ID_FLAGS(func, bpf_zoo_not_for_kprobes)
BTF_KFUNCS_END(not_for_kprobes_ids)

MODULE_DESCRIPTION("A kfunc that classifiers may call");
KASSAY_KFUNC_MODULE(not_for_kprobes_ids, BPF_PROG_TYPE_SCHED_CLS);
