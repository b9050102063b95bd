// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete_sync del_timer_sync
#endif

static void *memory;

static void planted_tick(struct timer_list *timer)
{
}

static DEFINE_TIMER(timer, planted_tick);

static int __init planted_init(void)
{
	mod_timer(&timer, jiffies + 3600 * HZ);
	memory = kmalloc(64, GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	return 0;
}

static void __exit planted_exit(void)
{
	timer_delete_sync(&timer);
	kfree(memory);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init that fails while its timer is armed");
MODULE_LICENSE("GPL");
