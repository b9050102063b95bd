// SPDX-License-Identifier: GPL-2.0-only
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>

static noinline int zoo_trace_cleared(void)
{
	struct file *trace;

	trace = filp_open("/sys/kernel/tracing/trace", O_WRONLY | O_TRUNC, 0);
	if (IS_ERR(trace))
		return PTR_ERR(trace);
	return filp_close(trace, NULL);
}

static int __init zoo_init(void)
{
	return zoo_trace_cleared();
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_DESCRIPTION("A module that clears the trace buffer");
MODULE_LICENSE("GPL");
