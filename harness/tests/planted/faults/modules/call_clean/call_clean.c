// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(lock);

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_planted_call(void)
{
	void *box;
	int err = 0;

	if (!try_module_get(THIS_MODULE))
		return -ENOENT;
	spin_lock(&lock);
	box = kmalloc(64, GFP_ATOMIC);
	if (!box)
		err = -ENOMEM;
	kfree(box);
	spin_unlock(&lock);
	module_put(THIS_MODULE);
	return err;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(call_clean_ids)
BTF_ID_FLAGS(func, bpf_planted_call)
BTF_KFUNCS_END(call_clean_ids)

MODULE_DESCRIPTION("A kfunc that undoes all that it did when it fails");
KASSAY_KFUNC_MODULE(call_clean_ids, BPF_PROG_TYPE_SYSCALL);
