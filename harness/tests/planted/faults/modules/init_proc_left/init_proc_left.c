// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

static void *memory;

static int planted_show(struct seq_file *file, void *unused)
{
	return 0;
}

static int __init planted_init(void)
{
	if (!proc_create_single("planted", 0444, NULL, planted_show))
		return -ENOMEM;
	memory = kmalloc(64, GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	return 0;
}

static void __exit planted_exit(void)
{
	kfree(memory);
	remove_proc_entry("planted", NULL);
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_DESCRIPTION("An init that keeps its file in /proc when it fails");
MODULE_LICENSE("GPL");
