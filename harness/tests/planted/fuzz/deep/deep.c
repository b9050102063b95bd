// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

static noinline u64 plant_deep(u32 depth)
{
	u32 kept[32] = { depth };
	u64 sum;

	if (!depth)
		return 0;
	/* What has to be kept over the call keeps gcc from making a loop of it. */
	barrier_data(kept);
	sum = plant_deep(depth - 1);
	barrier_data(kept);
	return sum + kept[0];
}

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_plant_deep(u32 depth)
{
	return plant_deep(depth);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(deep_ids)
BTF_ID_FLAGS(func, bpf_plant_deep)
BTF_KFUNCS_END(deep_ids)

MODULE_DESCRIPTION("A kfunc that calls itself as often as it is told");
KASSAY_KFUNC_MODULE(deep_ids, BPF_PROG_TYPE_SYSCALL);
