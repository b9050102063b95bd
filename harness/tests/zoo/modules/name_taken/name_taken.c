// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 kernel_init(void)
{
	return 1;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(name_taken_ids)
BTF_ID_FLAGS(func, kernel_init)
BTF_KFUNCS_END(name_taken_ids)

MODULE_DESCRIPTION("A kfunc with the name of a function of the kernel");
KASSAY_KFUNC_MODULE(name_taken_ids, BPF_PROG_TYPE_SYSCALL);
