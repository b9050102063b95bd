// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_refused(void)
{
	return 1;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(register_refused_ids)
BTF_ID_FLAGS(func, bpf_zoo_refused)
BTF_KFUNCS_END(register_refused_ids)

static const struct btf_kfunc_id_set set = {
	.owner = THIS_MODULE,
	.set = &register_refused_ids,
};

/* No hook has kfuncs for flow dissectors, and the error is not passed on. */
static int __init register_refused_init(void)
{
	kassay_register_kfuncs(BPF_PROG_TYPE_FLOW_DISSECTOR, &set);
	return 0;
}
module_init(register_refused_init);

static void __exit register_refused_exit(void)
{
}
module_exit(register_refused_exit);

MODULE_DESCRIPTION("A set of kfuncs that the kernel does not register");
MODULE_LICENSE("GPL");
