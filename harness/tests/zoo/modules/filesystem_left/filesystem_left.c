// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fs.h>
#include <linux/module.h>

static struct file_system_type zoo_left = {
	.name = "zoo_left",
	.owner = THIS_MODULE,
};

static int __init zoo_init(void)
{
	return register_filesystem(&zoo_left);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes and forgets its file system");
MODULE_LICENSE("GPL");
