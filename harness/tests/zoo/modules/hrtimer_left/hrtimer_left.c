// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/version.h>

static enum hrtimer_restart zoo_hrtimer_left(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

static struct hrtimer timer;

static int __init zoo_init(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(&timer, zoo_hrtimer_left, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL);
#else
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer.function = zoo_hrtimer_left;
#endif
	hrtimer_start(&timer, ms_to_ktime(3600 * 1000), HRTIMER_MODE_REL);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes while its hrtimer is armed");
MODULE_LICENSE("GPL");
