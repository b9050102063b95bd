// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_other_btf(u64 number)
{
	return number;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(other_btf_ids)
BTF_ID_FLAGS(func, bpf_zoo_other_btf)
BTF_KFUNCS_END(other_btf_ids)

MODULE_DESCRIPTION("A kfunc whose module gets the BTF of another kernel");
KASSAY_KFUNC_MODULE(other_btf_ids, KASSAY_PROG_TYPE_KPROBE);
