// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_sum_words(const void *mem, u32 mem__sz)
{
	const u8 *bytes = mem;
	u32 sum = 0;
	u32 i;

	for (i = 0; i + 1 < mem__sz; i += 2)
		sum += READ_ONCE(bytes[i]) | READ_ONCE(bytes[i + 1]) << 8;
	return i < mem__sz ? sum + READ_ONCE(bytes[i]) : sum;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(odd_size_clean_ids)
BTF_ID_FLAGS(func, bpf_plant_sum_words)
BTF_KFUNCS_END(odd_size_clean_ids)

MODULE_DESCRIPTION("A kfunc that reads memory of any size");
KASSAY_KFUNC_MODULE(odd_size_clean_ids, BPF_PROG_TYPE_SYSCALL);
