// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/gcd.h>
#include <linux/module.h>

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_NAME(u64 a, u64 b)
{
	return gcd(a, b);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(NAME_ids)
BTF_ID_FLAGS(func, bpf_NAME)
BTF_KFUNCS_END(NAME_ids)

static const struct btf_kfunc_id_set NAME_set = {
	.owner = THIS_MODULE,
	.set = &NAME_ids,
};

static int __init NAME_module_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_KPROBE, &NAME_set);
}

static void __exit NAME_module_exit(void)
{
	/* The kernel forgets the set with the module. */
}

module_init(NAME_module_init);
module_exit(NAME_module_exit);

MODULE_DESCRIPTION("A kfunc that finds the greatest common divisor");
MODULE_LICENSE("GPL");
