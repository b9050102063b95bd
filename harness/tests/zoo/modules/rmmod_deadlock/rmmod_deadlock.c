// SPDX-License-Identifier: GPL-2.0-only
#include <linux/completion.h>
#include <linux/module.h>

static DECLARE_COMPLETION(zoo_gone);

static noinline void zoo_rmmod_deadlock(void)
{
	wait_for_completion(&zoo_gone);
	complete(&zoo_gone);
}

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
	zoo_rmmod_deadlock();
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module whose exit waits for itself");
MODULE_LICENSE("GPL");
