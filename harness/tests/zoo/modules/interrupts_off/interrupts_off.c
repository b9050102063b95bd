// SPDX-License-Identifier: GPL-2.0-only
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/processor.h>

static noinline void zoo_interrupts_off(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static int __init zoo_init(void)
{
	zoo_interrupts_off();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that spins with interrupts off");
MODULE_LICENSE("GPL");
