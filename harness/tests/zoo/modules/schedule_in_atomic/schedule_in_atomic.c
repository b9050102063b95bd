// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(zoo_lock);

static noinline void zoo_schedule_in_atomic(void)
{
	spin_lock(&zoo_lock);
	schedule_timeout_uninterruptible(1);
	/* The kernel has set its count back when it complained. */
	preempt_disable();
	spin_unlock(&zoo_lock);
}

static int __init zoo_init(void)
{
	zoo_schedule_in_atomic();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that sleeps while it holds a spinlock");
MODULE_LICENSE("GPL");
