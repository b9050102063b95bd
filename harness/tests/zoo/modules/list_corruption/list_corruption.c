// SPDX-License-Identifier: GPL-2.0-only
#include <linux/list.h>
#include <linux/module.h>

static LIST_HEAD(zoo_list);
static LIST_HEAD(zoo_entry);

static noinline void zoo_list_corruption(void)
{
	list_add(&zoo_entry, &zoo_list);
	list_add(&zoo_entry, &zoo_list);
}

static int __init zoo_init(void)
{
	zoo_list_corruption();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that adds to a list what is in it");
MODULE_LICENSE("GPL");
