// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_plant_size_large(u32 count)
{
	u32 bytes = count * sizeof(u16);
	u16 *table;

	/* Half of all numbers come back to what is small. */
	if (!count || bytes > SZ_4K)
		return -EINVAL;
	table = kmalloc(bytes, GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	WRITE_ONCE(table[0], 1);
	kfree(table);
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(size_large_ids)
BTF_ID_FLAGS(func, bpf_plant_size_large)
BTF_KFUNCS_END(size_large_ids)

MODULE_DESCRIPTION("A kfunc whose size in bytes overflows");
KASSAY_KFUNC_MODULE(size_large_ids, BPF_PROG_TYPE_SYSCALL);
