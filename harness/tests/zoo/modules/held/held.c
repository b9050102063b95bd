// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

static int __init zoo_init(void)
{
	__module_get(THIS_MODULE);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that holds a reference to itself");
MODULE_LICENSE("GPL");
