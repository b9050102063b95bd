// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"
#include <linux/slab.h>

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_planted_call(void)
{
	u64 *box = kmalloc(sizeof(*box), GFP_ATOMIC);

	WRITE_ONCE(*box, 1);
	kfree(box);
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(call_unchecked_ids)
BTF_ID_FLAGS(func, bpf_planted_call)
BTF_KFUNCS_END(call_unchecked_ids)

MODULE_DESCRIPTION("A kfunc that writes to memory that it may not have got");
KASSAY_KFUNC_MODULE(call_unchecked_ids, BPF_PROG_TYPE_SYSCALL);
