// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u32 bpf_scale(__u32 value, __u32 factor__k) __ksym;

SEC("syscall")
int constant(void *ctx)
{
	return bpf_scale(6, 7);
}

SEC("syscall")
int not_constant(void *ctx)
{
	return bpf_scale(6, bpf_get_prandom_u32());
}

char LICENSE[] SEC("license") = "GPL";
