// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_endless(u16 end, u16 step)
{
	u32 count = 0;
	u32 at = 0;

	/* By no steps there is no end. */
	while (READ_ONCE(at) < end) {
		at += step;
		count++;
	}
	return count;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(endless_ids)
BTF_ID_FLAGS(func, bpf_plant_endless)
BTF_KFUNCS_END(endless_ids)

MODULE_DESCRIPTION("A kfunc that takes steps of any length");
KASSAY_KFUNC_MODULE(endless_ids, BPF_PROG_TYPE_SYSCALL);
