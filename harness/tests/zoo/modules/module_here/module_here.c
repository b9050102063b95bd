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

MODULE_DESCRIPTION("A module that does nothing");
MODULE_LICENSE("GPL");
