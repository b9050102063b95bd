// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete_sync del_timer_sync
#endif

static struct task_struct *thread;
static void *memory;

static void planted_tick(struct timer_list *timer)
{
}

static DEFINE_TIMER(timer, planted_tick);

static int planted_thread(void *unused)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static int planted_show(struct seq_file *file, void *unused)
{
	return 0;
}

static int __init planted_init(void)
{
	int err = -ENOMEM;

	mod_timer(&timer, jiffies + 3600 * HZ);
	thread = kthread_run(planted_thread, NULL, "planted");
	if (IS_ERR(thread)) {
		err = PTR_ERR(thread);
		goto no_thread;
	}
	if (!proc_create_single("planted", 0444, NULL, planted_show))
		goto no_entry;
	memory = kmalloc(64, GFP_KERNEL);
	if (memory)
		return 0;
	remove_proc_entry("planted", NULL);
no_entry:
	kthread_stop(thread);
no_thread:
	timer_delete_sync(&timer);
	return err;
}

static void __exit planted_exit(void)
{
	char *text = kmalloc(64, GFP_KERNEL);

	if (text)
		text[0] = 'x';
	kfree(text);
	kfree(memory);
	remove_proc_entry("planted", NULL);
	kthread_stop(thread);
	timer_delete_sync(&timer);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init and an exit that undo all that they did, whatever fails");
MODULE_LICENSE("GPL");
