// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static int __init zoo_init(void)
{
	return kmem_cache_create("zoo_left", 96, 0, 0, NULL) ? 0 : -ENOMEM;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes and forgets its slab cache");
MODULE_LICENSE("GPL");
