// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_no_type(void)
{
	return 1;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(set_no_type_ids)
BTF_ID_FLAGS(func, bpf_zoo_no_type)
BTF_KFUNCS_END(set_no_type_ids)

MODULE_DESCRIPTION("A set for programs that may call no kfuncs");
KASSAY_KFUNC_MODULE(set_no_type_ids, BPF_PROG_TYPE_SK_LOOKUP);
