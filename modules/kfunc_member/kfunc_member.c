// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

/*
 * The kernel has a structure with a member of this name, so that the module's
 * BTF takes the name from the kernel's and does not have it itself.
 */
__bpf_kfunc u64 st_value(u64 value)
{
	return value + 1;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_member_ids)
BTF_ID_FLAGS(func, st_value)
BTF_KFUNCS_END(kfunc_member_ids)

MODULE_DESCRIPTION("A kfunc that is called as a member of a kernel structure is");
KASSAY_KFUNC_MODULE(kfunc_member_ids, BPF_PROG_TYPE_SYSCALL);
