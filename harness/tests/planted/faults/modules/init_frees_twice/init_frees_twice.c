// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static void *first;
static void *second;

static void planted_free(void)
{
	kfree(second);
	kfree(first);
}

static int __init planted_init(void)
{
	first = kmalloc(64, GFP_KERNEL);
	if (!first)
		return -ENOMEM;
	second = kmalloc(128, GFP_KERNEL);
	if (!second) {
		kfree(first);
		planted_free();
		return -ENOMEM;
	}
	return 0;
}

static void __exit planted_exit(void)
{
	planted_free();
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init whose way out frees memory twice");
MODULE_LICENSE("GPL");
