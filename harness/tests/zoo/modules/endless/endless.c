// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_endless(u64 rounds)
{
	for (;;)
		rounds = READ_ONCE(jiffies);
	return rounds;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(endless_ids)
BTF_ID_FLAGS(func, bpf_zoo_endless)
BTF_KFUNCS_END(endless_ids)

MODULE_DESCRIPTION("A kfunc that never returns");
KASSAY_KFUNC_MODULE(endless_ids, KASSAY_PROG_TYPE_KPROBE);
