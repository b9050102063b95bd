// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/module.h>

extern u64 counter_next(void);

static atomic_t count = ATOMIC_INIT(6);

u64 counter_next(void)
{
	return atomic_inc_return(&count);
}
EXPORT_SYMBOL_GPL(counter_next);

MODULE_DESCRIPTION("Counts for other modules");
MODULE_LICENSE("GPL");
