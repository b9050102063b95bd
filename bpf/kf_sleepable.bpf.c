// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern int bpf_nap(void) __ksym;

SEC("syscall")
int sleepable(void *ctx)
{
	return bpf_nap();
}

SEC("tc")
int not_sleepable(struct __sk_buff *skb)
{
	return bpf_nap();
}

char LICENSE[] SEC("license") = "GPL";
