// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

/* The first of a name counts: modpost's own comes behind it. */
MODULE_INFO(vermagic, "6.0.0-zoo SMP mod_unload ");
MODULE_DESCRIPTION("A module that says it is for another kernel");
MODULE_LICENSE("GPL");
