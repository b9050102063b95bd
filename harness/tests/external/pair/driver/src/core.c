// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

#include "pair.h"

u64 pair_sum(u64 a, u64 b)
{
	return pair_limit(a + b);
}
EXPORT_SYMBOL_GPL(pair_sum);

static int __init pair_core_init(void)
{
	pr_info(PAIR_NAME ": sums\n");
	return 0;
}
module_init(pair_core_init);

static void __exit pair_core_exit(void)
{
}
module_exit(pair_core_exit);

MODULE_DESCRIPTION("Sums with a limit");
MODULE_LICENSE("GPL");
