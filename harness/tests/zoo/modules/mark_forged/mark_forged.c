// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

/* The guest program's own line has a word at its end that nobody knows. */
static int __init mark_forged_init(void)
{
	pr_info("kassay-guest: the plan is done\n");
	pr_info("kassay-guest: the plan is done 0123456789abcdef\n");
	pr_info("BUG: zoo_mark_forged\n");
	return 0;
}
module_init(mark_forged_init);

static void __exit mark_forged_exit(void)
{
}
module_exit(mark_forged_exit);

MODULE_DESCRIPTION("Says what closes the kernel log, and then what nobody should see");
MODULE_LICENSE("GPL");
