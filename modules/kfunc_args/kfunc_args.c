// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_sum_bytes(const void *mem, u32 mem__sz)
{
	const u8 *bytes = mem;
	u32 sum = 0;
	u32 i;

	for (i = 0; i < mem__sz; i++)
		sum += bytes[i];
	return sum;
}

/* Returns how many bytes were set, which are none where there is no memory. */
__bpf_kfunc u32 bpf_set_bytes(void *KASSAY_OPT(mem), u32 mem__szk)
{
	if (!KASSAY_OPT(mem))
		return 0;
	memset(KASSAY_OPT(mem), 1, mem__szk);
	return mem__szk;
}

/* The same, of memory that must be there. */
__bpf_kfunc u32 bpf_set_all_bytes(void *mem, u32 mem__szk)
{
	memset(mem, 1, mem__szk);
	return mem__szk;
}

__bpf_kfunc u32 bpf_scale(u32 value, u32 factor__k)
{
	return value * factor__k;
}

/* The verifier has seen to the terminating NUL. */
__bpf_kfunc u32 bpf_length(const char *text__str)
{
	return strlen(text__str);
}

/* What the verifier does not check is not looked at. */
__bpf_kfunc u32 bpf_add_ignoring(u32 a, u32 b, void *pointer__ign)
{
	return a + b;
}

__bpf_kfunc u32 bpf_add_checking(u32 a, u32 b, void *pointer)
{
	return a + b;
}

__bpf_kfunc u32 bpf_max_entries(void *map__map)
{
	const struct bpf_map *map = map__map;

	return map->max_entries;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_args_ids)
BTF_ID_FLAGS(func, bpf_sum_bytes)
BTF_ID_FLAGS(func, bpf_set_bytes)
BTF_ID_FLAGS(func, bpf_set_all_bytes)
BTF_ID_FLAGS(func, bpf_scale)
BTF_ID_FLAGS(func, bpf_length)
BTF_ID_FLAGS(func, bpf_add_ignoring)
BTF_ID_FLAGS(func, bpf_add_checking)
BTF_ID_FLAGS(func, bpf_max_entries)
BTF_KFUNCS_END(kfunc_args_ids)

MODULE_DESCRIPTION("kfuncs whose parameters have an annotation each");
KASSAY_KFUNC_MODULE(kfunc_args_ids, BPF_PROG_TYPE_SYSCALL);
