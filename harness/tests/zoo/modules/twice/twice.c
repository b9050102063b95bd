// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc u64 bpf_zoo_twice(u64 number)
{
	return number;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(twice_ids)
BTF_ID_FLAGS(func, bpf_zoo_twice)
BTF_KFUNCS_END(twice_ids)

static const struct btf_kfunc_id_set twice_kfuncs = {
	.owner = THIS_MODULE,
	.set = &twice_ids,
};

static int __init zoo_init(void)
{
	int err = kassay_register_kfuncs(KASSAY_PROG_TYPE_KPROBE, &twice_kfuncs);

	if (err)
		return err;
	return kassay_register_kfuncs(KASSAY_PROG_TYPE_KPROBE, &twice_kfuncs);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that registers a kfunc twice");
MODULE_LICENSE("GPL");
