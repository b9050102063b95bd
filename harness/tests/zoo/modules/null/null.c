// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_zoo_null(u32 place)
{
	u32 *nothing = NULL;

	OPTIMIZER_HIDE_VAR(nothing);
	return READ_ONCE(nothing[place]);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(null_ids)
BTF_ID_FLAGS(func, bpf_zoo_null)
BTF_KFUNCS_END(null_ids)

MODULE_DESCRIPTION("A kfunc that reads through a NULL pointer");
KASSAY_KFUNC_MODULE(null_ids, KASSAY_PROG_TYPE_KPROBE);
