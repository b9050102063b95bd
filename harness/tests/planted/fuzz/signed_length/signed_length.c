// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_plant_signed_length(const void *mem, u32 mem__sz, s32 skip)
{
	const u8 *bytes = mem;

	/* Less than nothing is less than the size as well. */
	if (skip >= (s32)mem__sz)
		return -EINVAL;
	return READ_ONCE(bytes[skip]);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(signed_length_ids)
BTF_ID_FLAGS(func, bpf_plant_signed_length)
BTF_KFUNCS_END(signed_length_ids)

MODULE_DESCRIPTION("A kfunc that skips a negative number of bytes");
KASSAY_KFUNC_MODULE(signed_length_ids, BPF_PROG_TYPE_SYSCALL);
