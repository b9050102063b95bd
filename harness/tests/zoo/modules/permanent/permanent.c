// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

static int __init zoo_init(void)
{
	return 0;
}

module_init(zoo_init);

MODULE_DESCRIPTION("A module without an exit function");
MODULE_LICENSE("GPL");
