// SPDX-License-Identifier: GPL-2.0-only
/* A module with one kfunc, written for no kernel but those that have these macros. */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

#ifndef BTF_KFUNCS_START
#define BTF_KFUNCS_START(name) BTF_SET8_START(name)
#define BTF_KFUNCS_END(name) BTF_SET8_END(name)
#endif

__diag_push();
__diag_ignore_all("-Wmissing-prototypes", "kfuncs are called by BPF programs alone");

__used noinline u64 bpf_hello_twice(u64 number)
{
	return 2 * number;
}

__diag_pop();

BTF_KFUNCS_START(hello_ids)
BTF_ID_FLAGS(func, bpf_hello_twice)
BTF_KFUNCS_END(hello_ids)

static const struct btf_kfunc_id_set hello_set = {
	.owner = THIS_MODULE,
	.set = &hello_ids,
};

static int __init hello_init(void)
{
	pr_info("hello: here\n");
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL, &hello_set);
}
module_init(hello_init);

static void __exit hello_exit(void)
{
	pr_info("hello: gone\n");
}
module_exit(hello_exit);

MODULE_DESCRIPTION("A module with a Makefile of its own");
MODULE_LICENSE("GPL");
