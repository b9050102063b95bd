// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(lock);

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_planted_call(void)
{
	void *box;

	spin_lock(&lock);
	box = kmalloc(64, GFP_ATOMIC);
	if (!box)
		return -ENOMEM;
	kfree(box);
	spin_unlock(&lock);
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(call_keeps_lock_ids)
BTF_ID_FLAGS(func, bpf_planted_call)
BTF_KFUNCS_END(call_keeps_lock_ids)

MODULE_DESCRIPTION("A kfunc that keeps a lock when it fails");
KASSAY_KFUNC_MODULE(call_keeps_lock_ids, BPF_PROG_TYPE_SYSCALL);
