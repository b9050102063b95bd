// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_shared(u32 whole, u32 parts)
{
	OPTIMIZER_HIDE_VAR(parts);
	return parts ? whole / parts : 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(divided_clean_ids)
BTF_ID_FLAGS(func, bpf_plant_shared)
BTF_KFUNCS_END(divided_clean_ids)

MODULE_DESCRIPTION("A kfunc that divides by what is not zero");
KASSAY_KFUNC_MODULE(divided_clean_ids, BPF_PROG_TYPE_SYSCALL);
