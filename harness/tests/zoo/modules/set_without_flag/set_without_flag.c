// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_unmarked(void)
{
	return 1;
}

__bpf_kfunc_end_defs();

BTF_SET8_START(set_without_flag_ids)
BTF_ID_FLAGS(func, bpf_zoo_unmarked)
BTF_SET8_END(set_without_flag_ids)

MODULE_DESCRIPTION("A set that is declared as before 6.9");
KASSAY_KFUNC_MODULE(set_without_flag_ids, BPF_PROG_TYPE_SYSCALL);
