// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/printk.h>

/* More than any kernel keeps that is tested: 1 MiB, and 16 KiB more for each CPU. */
#define LINES 4096

static noinline void zoo_log_flood(void)
{
	unsigned int line;

	for (line = 0; line < LINES; line++)
		printk(KERN_DEBUG "%u: %*s\n", line, 900, "");
}

static int __init zoo_init(void)
{
	zoo_log_flood();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that says more than the kernel keeps");
MODULE_LICENSE("GPL");
