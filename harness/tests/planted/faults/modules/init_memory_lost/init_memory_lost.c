// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static void *kept[2];

static int __init planted_init(void)
{
	void *first = kmalloc(96, GFP_KERNEL);
	void *second;

	if (!first)
		return -ENOMEM;
	second = kmalloc(192, GFP_KERNEL);
	if (!second)
		return -ENOMEM;
	kept[0] = first;
	kept[1] = second;
	return 0;
}

static void __exit planted_exit(void)
{
	kfree(kept[1]);
	kfree(kept[0]);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init that loses memory when it fails");
MODULE_LICENSE("GPL");
