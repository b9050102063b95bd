// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static noinline void zoo_slab_overflow(u8 *bytes, size_t at)
{
	WRITE_ONCE(bytes[at], 1);
}

static int __init zoo_init(void)
{
	u8 *bytes = kmalloc(13, GFP_KERNEL);

	if (!bytes)
		return -ENOMEM;
	zoo_slab_overflow(bytes, 13);
	kfree(bytes);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that writes behind a slab object");
MODULE_LICENSE("GPL");
