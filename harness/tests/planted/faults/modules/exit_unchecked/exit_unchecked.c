// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

static int __init planted_init(void)
{
	return 0;
}

static void __exit planted_exit(void)
{
	char *text = kmalloc(64, GFP_KERNEL);

	WRITE_ONCE(text[0], 'x');
	kfree(text);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An exit that writes to memory that it may not have got");
MODULE_LICENSE("GPL");
