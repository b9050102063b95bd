// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static noinline u8 zoo_use_after_free(u8 *bytes)
{
	return READ_ONCE(bytes[8]);
}

static int __init zoo_init(void)
{
	u8 *bytes = kmalloc(32, GFP_KERNEL);

	if (!bytes)
		return -ENOMEM;
	kfree(bytes);
	OPTIMIZER_HIDE_VAR(bytes);
	zoo_use_after_free(bytes);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that reads what it has freed");
MODULE_LICENSE("GPL");
