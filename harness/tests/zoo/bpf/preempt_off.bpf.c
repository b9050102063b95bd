// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_zoo_context_left(__u64 what) __ksym;

/*
 * Who sleeps is switched away at once. Elsewhere the process could return
 * to user space first, where a page fault with preemption off kills it.
 */
SEC("kprobe/do_nanosleep")
int preempt_off(void *ctx)
{
	bpf_zoo_context_left(2);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
