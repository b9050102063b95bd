// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_twice(void)
{
	return 2;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_twice_ids)
BTF_ID_FLAGS(func, bpf_twice)
BTF_KFUNCS_END(kfunc_twice_ids)

MODULE_DESCRIPTION("A kfunc that is registered twice for the same programs");
KASSAY_KFUNC_MODULE(kfunc_twice_ids, BPF_PROG_TYPE_SYSCALL,
		    BPF_PROG_TYPE_SYSCALL);
