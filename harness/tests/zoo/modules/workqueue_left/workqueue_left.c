// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/workqueue.h>

static bool has_thread;
module_param(has_thread, bool, 0444);
MODULE_PARM_DESC(has_thread, "whether it has a thread for want of memory");

static int __init zoo_init(void)
{
	unsigned int flags = has_thread ? WQ_MEM_RECLAIM : 0;

	/* Newer kernels, 7.2 for one, warn of a queue that is of no kind. */
	return alloc_workqueue("zoo_left", WQ_UNBOUND | flags, 0) ? 0 : -ENOMEM;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes and forgets its workqueue");
MODULE_LICENSE("GPL");
