// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

#include "pair.h"

#ifndef BTF_KFUNCS_START
#define BTF_KFUNCS_START(name) BTF_SET8_START(name)
#define BTF_KFUNCS_END(name) BTF_SET8_END(name)
#endif

__diag_push();
__diag_ignore_all("-Wmissing-prototypes", "kfuncs are called by BPF programs alone");

__used noinline u64 bpf_pair_sum(u64 a, u64 b)
{
	return pair_sum(a, b);
}

__diag_pop();

BTF_KFUNCS_START(pair_ids)
BTF_ID_FLAGS(func, bpf_pair_sum)
BTF_KFUNCS_END(pair_ids)

static const struct btf_kfunc_id_set pair_set = {
	.owner = THIS_MODULE,
	.set = &pair_ids,
};

static int __init pair_user_init(void)
{
	pr_info(PAIR_NAME ": has a kfunc\n");
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL, &pair_set);
}
module_init(pair_user_init);

static void __exit pair_user_exit(void)
{
}
module_exit(pair_user_exit);

MODULE_DESCRIPTION("A kfunc that sums by another module");
MODULE_LICENSE("GPL");
