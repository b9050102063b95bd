// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

/* The least that the kernel takes, in seconds. */
static const char zoo_timeout[] = "3";

static int zoo_hasten(void)
{
	struct file *file;
	loff_t at = 0;
	ssize_t n;

	file = filp_open("/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout",
			 O_WRONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	n = kernel_write(file, zoo_timeout, sizeof(zoo_timeout) - 1, &at);
	filp_close(file, NULL);
	return n < 0 ? n : 0;
}

/* Grace periods begin, and others run in the midst of what they wait for. */
static void zoo_let_run(void)
{
	unsigned long end = jiffies + HZ / 2;

	while (time_before(jiffies, end)) {
		start_poll_synchronize_rcu();
		_cond_resched();
	}
}

static noinline void zoo_rcu_stall(void)
{
	zoo_let_run();
	rcu_read_lock();
	/* Without preemption none runs any more, and the last one waits. */
	zoo_let_run();
	for (;;)
		cpu_relax();
}

static int __init zoo_init(void)
{
	int err = zoo_hasten();

	if (err)
		return err;
	zoo_rcu_stall();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that never leaves its RCU read section");
MODULE_LICENSE("GPL");
