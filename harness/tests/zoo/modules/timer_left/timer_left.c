// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/timer.h>

static void zoo_timer_left(struct timer_list *timer)
{
}

static DEFINE_TIMER(timer, zoo_timer_left);

static int __init zoo_init(void)
{
	mod_timer(&timer, jiffies + 3600 * HZ);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes while its timer is armed");
MODULE_LICENSE("GPL");
