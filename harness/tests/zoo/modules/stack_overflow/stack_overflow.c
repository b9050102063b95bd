// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>
#include <linux/module.h>
#include <linux/sizes.h>

static noinline u64 zoo_stack_overflow(u64 depth)
{
	u64 words[32];

	/* More than any stack holds; the compiler minds where there is no end. */
	if (depth > SZ_1G)
		return 0;
	WRITE_ONCE(words[depth % 32], depth);
	return zoo_stack_overflow(depth + 1) + READ_ONCE(words[depth % 32]);
}

static int __init zoo_init(void)
{
	return zoo_stack_overflow(1) ? 0 : -EINVAL;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that calls itself without end");
MODULE_LICENSE("GPL");
