// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/reboot.h>

static int zoo_notifier_left(struct notifier_block *block, unsigned long action,
			     void *data)
{
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = zoo_notifier_left };

static int __init zoo_init(void)
{
	return register_reboot_notifier(&notifier);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes while it is to be told of a reboot");
MODULE_LICENSE("GPL");
