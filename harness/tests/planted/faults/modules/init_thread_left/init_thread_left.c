// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>

static struct task_struct *thread;
static void *memory;

static int planted_thread(void *unused)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static int __init planted_init(void)
{
	thread = kthread_run(planted_thread, NULL, "planted");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	memory = kmalloc(64, GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	return 0;
}

static void __exit planted_exit(void)
{
	kthread_stop(thread);
	kfree(memory);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init that fails and leaves its thread running");
MODULE_LICENSE("GPL");
