// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

extern u64 counter_next(void);

static int __init ticket_init(void)
{
	pr_info("ticket: number %llu\n", counter_next());
	return 0;
}
module_init(ticket_init);

static void __exit ticket_exit(void)
{
}
module_exit(ticket_exit);

MODULE_DESCRIPTION("Draws a number of another module");
MODULE_LICENSE("GPL");
