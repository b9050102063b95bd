// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_trace_off(u64 value)
{
	tracing_off();
	return READ_ONCE(value);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(trace_off_ids)
BTF_ID_FLAGS(func, bpf_zoo_trace_off)
BTF_KFUNCS_END(trace_off_ids)

MODULE_DESCRIPTION("A kfunc that switches tracing off");
KASSAY_KFUNC_MODULE(trace_off_ids, KASSAY_PROG_TYPE_KPROBE);
