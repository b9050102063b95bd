// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kprobes.h>
#include <linux/module.h>

static int zoo_kprobe(struct kprobe *probe, struct pt_regs *regs)
{
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "vfs_rename",
	.pre_handler = zoo_kprobe,
};

static int __init zoo_init(void)
{
	return register_kprobe(&probe);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes while its kprobe is in place");
MODULE_LICENSE("GPL");
