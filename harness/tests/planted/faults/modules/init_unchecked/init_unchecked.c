// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static char *first;
static char *second;

static int __init planted_init(void)
{
	first = kmalloc(64, GFP_KERNEL);
	if (!first)
		return -ENOMEM;
	second = kmalloc(64, GFP_KERNEL);
	WRITE_ONCE(second[0], 'x');
	return 0;
}

static void __exit planted_exit(void)
{
	kfree(second);
	kfree(first);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init that writes to memory that it may not have got");
MODULE_LICENSE("GPL");
