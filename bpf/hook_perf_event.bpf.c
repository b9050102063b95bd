// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* How often the clock ticks differs from run to run; that it does, does not. */
int ticked;

SEC("perf_event")
int hook_perf_event(void *ctx)
{
	ticked = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
