// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_no_btf(u64 number)
{
	return number;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(no_btf_ids)
BTF_ID_FLAGS(func, bpf_zoo_no_btf)
BTF_KFUNCS_END(no_btf_ids)

MODULE_DESCRIPTION("A kfunc whose module loses its BTF");
KASSAY_KFUNC_MODULE(no_btf_ids, KASSAY_PROG_TYPE_KPROBE);
