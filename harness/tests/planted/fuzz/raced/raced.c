// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include <asm/processor.h>

#include "kassay_kfunc.h"

static u32 *plant_current;

__bpf_kfunc_start_defs();

__bpf_kfunc u32 bpf_plant_raced(u32 value)
{
	u32 own = value;
	u32 i;

	/* Another CPU takes it away between two looks. */
	WRITE_ONCE(plant_current, &own);
	for (i = 0; i < 64; i++)
		cpu_relax();
	value = READ_ONCE(*READ_ONCE(plant_current));
	WRITE_ONCE(plant_current, NULL);
	return value;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(raced_ids)
BTF_ID_FLAGS(func, bpf_plant_raced)
BTF_KFUNCS_END(raced_ids)

MODULE_DESCRIPTION("A kfunc that shares a pointer between CPUs");
KASSAY_KFUNC_MODULE(raced_ids, BPF_PROG_TYPE_SYSCALL);
