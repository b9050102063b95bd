// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>
#include <linux/module.h>

static noinline u64 zoo_stack_overflow(u64 depth)
{
	volatile u64 words[32];

	words[depth % 32] = depth;
	return zoo_stack_overflow(depth + 1) + words[depth % 32];
}

static int __init zoo_init(void)
{
	return zoo_stack_overflow(jiffies) ? 0 : -EINVAL;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that calls itself without end");
MODULE_LICENSE("GPL");
