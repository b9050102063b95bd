// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/timer.h>

static void zoo_refused_left(struct timer_list *timer)
{
}

static DEFINE_TIMER(timer, zoo_refused_left);

static int __init zoo_init(void)
{
	mod_timer(&timer, jiffies + 3600 * HZ);
	return -ENODEV;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module whose init fails while its timer is armed");
MODULE_LICENSE("GPL");
