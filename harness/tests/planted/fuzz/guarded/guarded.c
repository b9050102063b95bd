// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "kassay_kfunc.h"

static int kinds;

__bpf_kfunc_start_defs();

/* Each guard is passed by chance, all of them together by nobody's. */
__bpf_kfunc int bpf_plant_guarded(u32 version, u32 kind, u32 size, u32 at)
{
	int *entry = NULL;

	if (version != 3)
		return -EPROTONOSUPPORT;
	WRITE_ONCE(kinds, 1);
	if (kind != 100)
		return -EINVAL;
	WRITE_ONCE(kinds, 2);
	if (size != 512)
		return -EMSGSIZE;
	WRITE_ONCE(kinds, 3);
	if (at != 4096)
		return -ERANGE;
	OPTIMIZER_HIDE_VAR(entry);
	return READ_ONCE(*entry);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(guarded_ids)
BTF_ID_FLAGS(func, bpf_plant_guarded)
BTF_KFUNCS_END(guarded_ids)

MODULE_DESCRIPTION("A kfunc that is wrong behind four guards");
KASSAY_KFUNC_MODULE(guarded_ids, BPF_PROG_TYPE_SYSCALL);
