// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(zoo_first);
static DEFINE_MUTEX(zoo_second);

static noinline void zoo_one_way(void)
{
	mutex_lock(&zoo_first);
	mutex_lock(&zoo_second);
	mutex_unlock(&zoo_second);
	mutex_unlock(&zoo_first);
}

static noinline void zoo_other_way(void)
{
	mutex_lock(&zoo_second);
	mutex_lock(&zoo_first);
	mutex_unlock(&zoo_first);
	mutex_unlock(&zoo_second);
}

static int __init zoo_init(void)
{
	zoo_one_way();
	zoo_other_way();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that takes two mutexes in both orders");
MODULE_LICENSE("GPL");
