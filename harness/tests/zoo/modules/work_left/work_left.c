// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

static uint delay = 50;
module_param(delay, uint, 0444);
MODULE_PARM_DESC(delay, "ms until the work is due");

static bool is_lost;
module_param(is_lost, bool, 0444);
MODULE_PARM_DESC(is_lost, "whether the work lies in memory of its own");

static void zoo_work_left(struct work_struct *work)
{
	msleep(500);
}

static DECLARE_DELAYED_WORK(zoo_left, zoo_work_left);
static struct delayed_work *work = &zoo_left;

static int __init zoo_init(void)
{
	if (!is_lost)
		return 0;
	work = kmalloc(sizeof(*work), GFP_KERNEL);
	if (!work)
		return -ENOMEM;
	INIT_DELAYED_WORK(work, zoo_work_left);
	return 0;
}

static void __exit zoo_exit(void)
{
	schedule_delayed_work(work, msecs_to_jiffies(delay));
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes and leaves work behind");
MODULE_LICENSE("GPL");
