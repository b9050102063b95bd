// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_planted_call(void) __ksym;

SEC("syscall")
int planted_call(void *ctx)
{
	return bpf_planted_call();
}

char LICENSE[] SEC("license") = "GPL";
