// SPDX-License-Identifier: GPL-2.0-only
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>

static LIST_HEAD(zoo_pages);

static noinline void zoo_out_of_memory(void)
{
	struct page *page;

	while ((page = alloc_page(GFP_KERNEL)))
		list_add(&page->lru, &zoo_pages);
}

static int __init zoo_init(void)
{
	zoo_out_of_memory();
	return -ENOMEM;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that takes all memory");
MODULE_LICENSE("GPL");
