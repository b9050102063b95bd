// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern int bpf_forgotten(void) __ksym;

SEC("syscall")
int registered_before(void *ctx)
{
	return bpf_forgotten();
}

SEC("flow_dissector")
int unmapped(void *ctx)
{
	return bpf_forgotten();
}

char LICENSE[] SEC("license") = "GPL";
