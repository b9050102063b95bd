// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_forgotten(void)
{
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_unmapped_ids)
BTF_ID_FLAGS(func, bpf_forgotten)
BTF_KFUNCS_END(kfunc_unmapped_ids)

static const struct btf_kfunc_id_set set = {
	.owner = THIS_MODULE,
	.set = &kfunc_unmapped_ids,
};

/*
 * No hook has kfuncs for flow dissectors. The error frees what the module has
 * registered until then (kernel/bpf/btf.c, btf_populate_kfunc_set, 6.11).
 */
static int __init kfunc_unmapped_init(void)
{
	pr_info("kfunc_unmapped: registered for syscall: %d\n",
		kassay_register_kfuncs(BPF_PROG_TYPE_SYSCALL, &set));
	pr_info("kfunc_unmapped: registered for flow_dissector: %d\n",
		kassay_register_kfuncs(BPF_PROG_TYPE_FLOW_DISSECTOR, &set));
	return 0;
}

static void __exit kfunc_unmapped_exit(void)
{
}

module_init(kfunc_unmapped_init);
module_exit(kfunc_unmapped_exit);

MODULE_DESCRIPTION("A kfunc that is registered for a type that has none");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
