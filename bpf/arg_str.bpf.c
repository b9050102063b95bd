// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u32 bpf_length(const char *text__str) __ksym;

const char text[] = "kfunc";
char writable[] = "kfunc";

SEC("syscall")
int constant(void *ctx)
{
	return bpf_length(text);
}

SEC("syscall")
int on_stack(void *ctx)
{
	char word[8] = "kfunc";

	return bpf_length(word);
}

SEC("syscall")
int in_writable_map(void *ctx)
{
	return bpf_length(writable);
}

char LICENSE[] SEC("license") = "GPL";
