// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations files = {
	.owner = THIS_MODULE,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "zoo_left",
	.fops = &files,
};

static int __init zoo_init(void)
{
	return misc_register(&device);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes and forgets its device");
MODULE_LICENSE("GPL");
