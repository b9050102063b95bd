// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(zoo_lock);

static noinline void zoo_rmmod_deadlock(void)
{
	mutex_lock(&zoo_lock);
	mutex_lock(&zoo_lock);
	mutex_unlock(&zoo_lock);
}

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
	zoo_rmmod_deadlock();
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module whose exit waits for itself");
MODULE_LICENSE("GPL");
