// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* How often each program ran, and both. */
__u64 first, second, both;

SEC("syscall")
int one(void *ctx)
{
	if (++first == 1)
		bpf_printk("the first run of many");
	__sync_fetch_and_add(&both, 1);
	return 0;
}

SEC("syscall")
int other(void *ctx)
{
	second++;
	__sync_fetch_and_add(&both, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
