// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/slab.h>

static void *memory;

static int planted_notified(struct notifier_block *block, unsigned long event,
			    void *data)
{
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = planted_notified,
};

static int __init planted_init(void)
{
	int err = register_reboot_notifier(&notifier);

	if (err)
		return err;
	memory = kmalloc(64, GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	return 0;
}

static void __exit planted_exit(void)
{
	unregister_reboot_notifier(&notifier);
	kfree(memory);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init that keeps its notifier when it fails");
MODULE_LICENSE("GPL");
