// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include "kassay.bpf.h"
#include <bpf/usdt.bpf.h>

static __u64 acquired;

SEC("usdt//proc/self/exe:libc:mutex_acquired")
int BPF_USDT(libc_mutex_acquired, __u64 mutex)
{
	if (!is_task("call"))
		return 0;
	acquired = mutex;
	bpf_printk("a mutex is acquired");
	return 0;
}

SEC("usdt//proc/self/exe:libc:mutex_release")
int BPF_USDT(libc_mutex_release, __u64 mutex)
{
	if (is_task("call"))
		bpf_printk("%s mutex is released", mutex == acquired ? "the same" : "another");
	return 0;
}

/* The second argument says whether the signal mask is kept. */
SEC("usdt//proc/self/exe:libc:setjmp")
int BPF_USDT(libc_setjmp, __u64 buffer, int keeps_mask)
{
	if (is_task("call"))
		bpf_printk("setjmp, with the mask: %d", keeps_mask);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
