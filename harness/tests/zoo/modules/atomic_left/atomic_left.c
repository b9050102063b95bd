// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/preempt.h>

static atomic_t zoo_left = ATOMIC_INIT(1);

static int zoo_atomic_left(struct kprobe *probe, struct pt_regs *regs)
{
	if (atomic_dec_if_positive(&zoo_left) == 0)
		preempt_disable();
	return 0;
}

static struct kprobe zoo_probe = {
	.symbol_name = "do_nanosleep",
	.pre_handler = zoo_atomic_left,
};

static int __init atomic_left_init(void)
{
	return register_kprobe(&zoo_probe);
}
module_init(atomic_left_init);

static void __exit atomic_left_exit(void)
{
	unregister_kprobe(&zoo_probe);
}
module_exit(atomic_left_exit);

MODULE_DESCRIPTION("Leaves preemption off for whoever comes to sleep next");
MODULE_LICENSE("GPL");
