// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(zoo_lock);

static noinline void zoo_sleep_in_atomic(void)
{
	spin_lock(&zoo_lock);
	kfree(kmalloc(32, GFP_KERNEL));
	spin_unlock(&zoo_lock);
}

static int __init zoo_init(void)
{
	zoo_sleep_in_atomic();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that may sleep for memory while it holds a spinlock");
MODULE_LICENSE("GPL");
