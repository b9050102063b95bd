// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpumask.h>
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

/* Whether another CPU begins a grace period within the read section. */
static bool zoo_has_begun(void)
{
	unsigned long end = jiffies + HZ / 2;
	unsigned long period = start_poll_synchronize_rcu();

	while (time_before(jiffies, end)) {
		if (get_state_synchronize_rcu() != period)
			return true;
		cpu_relax();
	}
	return false;
}

static noinline void zoo_rcu_stall(void)
{
	int cpu = 0;

	rcu_read_lock();
	while (!zoo_has_begun()) {
		/* Who begins it sleeps on this CPU, and may not come away. */
		rcu_read_unlock();
		cpu = (cpu + 1) % num_online_cpus();
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		rcu_read_lock();
	}
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
