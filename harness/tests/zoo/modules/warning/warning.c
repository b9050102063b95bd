// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bug.h>
#include <linux/module.h>

static noinline void zoo_warning(void)
{
	WARN(1, "the zoo warns\n");
}

static int __init zoo_init(void)
{
	zoo_warning();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that warns");
MODULE_LICENSE("GPL");
