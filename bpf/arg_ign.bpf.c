// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u32 bpf_add_ignoring(__u32 a, __u32 b, void *pointer__ign) __ksym;
extern __u32 bpf_add_checking(__u32 a, __u32 b, void *pointer) __ksym;

SEC("syscall")
int ignored(void *ctx)
{
	return bpf_add_ignoring(1, 2, (void *)3);
}

SEC("syscall")
int without_annotation(void *ctx)
{
	return bpf_add_checking(1, 2, (void *)3);
}

SEC("syscall")
int others_are_checked(void *ctx)
{
	return bpf_add_ignoring((long)ctx, 2, (void *)3);
}

char LICENSE[] SEC("license") = "GPL";
