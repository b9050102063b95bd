// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/module.h>

extern u64 counter_next(void);

static int last;
module_param(last, int, 0444);
MODULE_PARM_DESC(last, "The number that was given last");

static atomic_t given;

u64 counter_next(void)
{
	return last + atomic_inc_return(&given);
}
EXPORT_SYMBOL_GPL(counter_next);

MODULE_DESCRIPTION("Counts for other modules");
MODULE_LICENSE("GPL");
