// SPDX-License-Identifier: GPL-2.0-only
#include <linux/completion.h>
#include <linux/module.h>

static DECLARE_COMPLETION(zoo_never);

static noinline void zoo_hung_task(void)
{
	wait_for_completion(&zoo_never);
	reinit_completion(&zoo_never);
}

static int __init zoo_init(void)
{
	zoo_hung_task();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that waits for what never comes");
MODULE_LICENSE("GPL");
