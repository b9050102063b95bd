// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_size_zero(const void *mem, u32 mem__sz)
{
	const u8 *bytes = mem;

	/* Of no bytes there is no last one. */
	return READ_ONCE(bytes[mem__sz - 1]);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(size_zero_ids)
BTF_ID_FLAGS(func, bpf_plant_size_zero)
BTF_KFUNCS_END(size_zero_ids)

MODULE_DESCRIPTION("A kfunc that takes the last byte of no bytes");
KASSAY_KFUNC_MODULE(size_zero_ids, BPF_PROG_TYPE_SYSCALL);
