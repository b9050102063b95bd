// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_plant_last_byte(const void *mem, u32 mem__sz)
{
	const u8 *bytes = mem;

	return mem__sz ? READ_ONCE(bytes[mem__sz - 1]) : -EINVAL;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(size_zero_clean_ids)
BTF_ID_FLAGS(func, bpf_plant_last_byte)
BTF_KFUNCS_END(size_zero_clean_ids)

MODULE_DESCRIPTION("A kfunc that takes the last byte where there is one");
KASSAY_KFUNC_MODULE(size_zero_clean_ids, BPF_PROG_TYPE_SYSCALL);
