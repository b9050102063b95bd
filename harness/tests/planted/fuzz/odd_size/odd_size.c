// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_odd_size(const void *mem, u32 mem__sz)
{
	const u16 *words = mem;
	u32 sum = 0;
	u32 i;

	/* An odd size is rounded up. */
	for (i = 0; i < DIV_ROUND_UP(mem__sz, sizeof(u16)); i++)
		sum += READ_ONCE(words[i]);
	return sum;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(odd_size_ids)
BTF_ID_FLAGS(func, bpf_plant_odd_size)
BTF_KFUNCS_END(odd_size_ids)

MODULE_DESCRIPTION("A kfunc that reads a byte behind memory of an odd size");
KASSAY_KFUNC_MODULE(odd_size_ids, BPF_PROG_TYPE_SYSCALL);
