// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_kfunc_call_test(u32 a, u64 b, u32 c, u64 d)
{
	return a + b + c + d;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_sum_ids)
BTF_ID_FLAGS(func, bpf_kfunc_call_test)
BTF_KFUNCS_END(kfunc_sum_ids)

MODULE_DESCRIPTION("A kfunc that adds four numbers");
KASSAY_KFUNC_MODULE(kfunc_sum_ids, KASSAY_PROG_TYPE_KPROBE);
