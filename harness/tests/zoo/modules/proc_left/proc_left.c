// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static int zoo_show(struct seq_file *file, void *unused)
{
	return 0;
}

static int __init zoo_init(void)
{
	return proc_create_single("zoo_left", 0444, NULL, zoo_show) ?
		       0 : -ENOMEM;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that goes and forgets its file in /proc");
MODULE_LICENSE("GPL");
