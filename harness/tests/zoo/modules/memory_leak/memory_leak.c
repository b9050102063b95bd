// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static noinline void zoo_memory_leak(void)
{
	u8 *bytes = kmalloc(100, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(bytes);
}

static int __init zoo_init(void)
{
	zoo_memory_leak();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that forgets memory");
MODULE_LICENSE("GPL");
