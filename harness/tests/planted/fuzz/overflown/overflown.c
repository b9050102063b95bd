// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_overflown(const void *mem, u32 mem__sz)
{
	u8 copy[32];
	const u8 *bytes = mem;
	u32 i;

	for (i = 0; i < mem__sz; i++)
		WRITE_ONCE(copy[i], READ_ONCE(bytes[i]));
	return mem__sz ? READ_ONCE(copy[0]) : 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(overflown_ids)
BTF_ID_FLAGS(func, bpf_plant_overflown)
BTF_KFUNCS_END(overflown_ids)

MODULE_DESCRIPTION("A kfunc that copies memory of any size to its stack");
KASSAY_KFUNC_MODULE(overflown_ids, BPF_PROG_TYPE_SYSCALL);
