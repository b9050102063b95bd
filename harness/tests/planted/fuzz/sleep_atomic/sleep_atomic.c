// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "kassay_kfunc.h"

static DEFINE_SPINLOCK(plant_lock);

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_plant_sleep_atomic(u32 size)
{
	void *copy = NULL;

	spin_lock(&plant_lock);
	/* What is small lies elsewhere. */
	if (size > 64)
		copy = kmalloc(min(size, (u32)SZ_4K), GFP_KERNEL);
	spin_unlock(&plant_lock);
	kfree(copy);
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(sleep_atomic_ids)
BTF_ID_FLAGS(func, bpf_plant_sleep_atomic)
BTF_KFUNCS_END(sleep_atomic_ids)

MODULE_DESCRIPTION("A kfunc that may sleep for memory while it holds a spinlock");
KASSAY_KFUNC_MODULE(sleep_atomic_ids, BPF_PROG_TYPE_SYSCALL);
