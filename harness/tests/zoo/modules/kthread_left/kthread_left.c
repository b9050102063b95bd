// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>

static int zoo_kthread(void *unused)
{
	while (!kthread_should_stop())
		msleep(2000);
	return 0;
}

static int __init zoo_init(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(zoo_kthread, NULL, "zoo_left"));
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes while its thread sleeps");
MODULE_LICENSE("GPL");
