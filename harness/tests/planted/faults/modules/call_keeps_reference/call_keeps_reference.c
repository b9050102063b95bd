// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"
#include <linux/slab.h>

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_planted_call(void)
{
	void *box;

	if (!try_module_get(THIS_MODULE))
		return -ENOENT;
	box = kmalloc(64, GFP_ATOMIC);
	if (!box)
		return -ENOMEM;
	kfree(box);
	module_put(THIS_MODULE);
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(call_keeps_reference_ids)
BTF_ID_FLAGS(func, bpf_planted_call)
BTF_KFUNCS_END(call_keeps_reference_ids)

MODULE_DESCRIPTION("A kfunc that keeps a reference to its module when it fails");
KASSAY_KFUNC_MODULE(call_keeps_reference_ids, BPF_PROG_TYPE_SYSCALL);
