// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_unregistered(void)
{
	return 1;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(unregistered_ids)
BTF_ID_FLAGS(func, bpf_zoo_unregistered)
BTF_KFUNCS_END(unregistered_ids)

static int __init unregistered_init(void)
{
	return 0;
}
module_init(unregistered_init);

static void __exit unregistered_exit(void)
{
}
module_exit(unregistered_exit);

MODULE_DESCRIPTION("A set of kfuncs that nothing registers");
MODULE_LICENSE("GPL");
