// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(zoo_lock);

static noinline void zoo_double_lock(void)
{
	mutex_lock(&zoo_lock);
	mutex_lock(&zoo_lock);
	mutex_unlock(&zoo_lock);
}

static int __init zoo_init(void)
{
	zoo_double_lock();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that takes a mutex twice");
MODULE_LICENSE("GPL");
