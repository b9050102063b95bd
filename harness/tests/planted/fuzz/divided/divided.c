// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_divided(u32 whole, u32 parts)
{
	OPTIMIZER_HIDE_VAR(parts);
	return whole / parts;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(divided_ids)
BTF_ID_FLAGS(func, bpf_plant_divided)
BTF_KFUNCS_END(divided_ids)

MODULE_DESCRIPTION("A kfunc that divides by what it is given");
KASSAY_KFUNC_MODULE(divided_ids, BPF_PROG_TYPE_SYSCALL);
