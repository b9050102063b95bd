// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/panic.h>

static int __init zoo_init(void)
{
	panic("the zoo has no init");
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that panics when it is inserted");
MODULE_LICENSE("GPL");
