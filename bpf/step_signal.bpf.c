// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include "kassay.bpf.h"

struct trace_event_raw_signal_generate {
	int sig;
	int result;
} KERNEL_TYPE;

/* A result of 1 is of a signal that is ignored. SIGCHLD is that of the task's end. */
SEC("tp/signal/signal_generate")
int step_signal(struct trace_event_raw_signal_generate *ctx)
{
	if (is_task("signal") && ctx->sig != SIGCHLD)
		bpf_printk("signal %d: %d", ctx->sig, ctx->result);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
