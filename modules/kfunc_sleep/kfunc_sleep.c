// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_nap(void)
{
	usleep_range(100, 1000);
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_sleep_ids)
BTF_ID_FLAGS(func, bpf_nap, KF_SLEEPABLE)
BTF_KFUNCS_END(kfunc_sleep_ids)

MODULE_DESCRIPTION("A kfunc that sleeps");
KASSAY_KFUNC_MODULE(kfunc_sleep_ids, BPF_PROG_TYPE_SYSCALL,
		    BPF_PROG_TYPE_SCHED_CLS);
