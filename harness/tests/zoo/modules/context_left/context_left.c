// SPDX-License-Identifier: GPL-2.0-only
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_context_left(u64 what)
{
	switch (what) {
	case 1:
		local_irq_disable();
		break;
	case 2:
		preempt_disable();
		break;
	case 3:
		rcu_read_lock();
		break;
	case 4:
		tracing_off();
		break;
	case 5:
		tracing_on();
		break;
	}
	return what;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(context_left_ids)
BTF_ID_FLAGS(func, bpf_zoo_context_left)
BTF_KFUNCS_END(context_left_ids)

MODULE_DESCRIPTION("A kfunc that returns in another context than it was called in");
KASSAY_KFUNC_MODULE(context_left_ids, KASSAY_PROG_TYPE_KPROBE);
