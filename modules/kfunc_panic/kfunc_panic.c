// SPDX-License-Identifier: GPL-2.0-only
#include <linux/panic.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

/*
 * The flag has the verifier refuse a program that calls this, unless whoever
 * loads it may reboot the machine anyway.
 */
__bpf_kfunc void bpf_panic(void)
{
	panic("bpf_kfunc_example: panic requested by a BPF program");
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_panic_ids)
BTF_ID_FLAGS(func, bpf_panic, KF_DESTRUCTIVE)
BTF_KFUNCS_END(kfunc_panic_ids)

MODULE_DESCRIPTION("A kfunc that panics the kernel");
KASSAY_KFUNC_MODULE(kfunc_panic_ids, KASSAY_PROG_TYPE_KPROBE);
