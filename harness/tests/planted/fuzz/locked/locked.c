// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mutex.h>

#include "kassay_kfunc.h"

static DEFINE_MUTEX(plant_lock);
static u32 plant_slots[8];

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_plant_locked(u32 slot, u32 value)
{
	mutex_lock(&plant_lock);
	if (slot >= ARRAY_SIZE(plant_slots))
		return -EINVAL;
	plant_slots[slot] = value;
	mutex_unlock(&plant_lock);
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(locked_ids)
BTF_ID_FLAGS(func, bpf_plant_locked, KF_SLEEPABLE)
BTF_KFUNCS_END(locked_ids)

MODULE_DESCRIPTION("A kfunc that keeps a mutex where it fails");
KASSAY_KFUNC_MODULE(locked_ids, BPF_PROG_TYPE_SYSCALL);
