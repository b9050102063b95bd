// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_twin(void)
{
	return 2;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(twin_two_ids)
BTF_ID_FLAGS(func, bpf_zoo_twin)
BTF_KFUNCS_END(twin_two_ids)

MODULE_DESCRIPTION("One of two modules that offer a kfunc of the same name");
KASSAY_KFUNC_MODULE(twin_two_ids, BPF_PROG_TYPE_SYSCALL);
