// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u32 bpf_set_bytes(void *mem__opt, __u32 mem__szk) __ksym;
extern __u32 bpf_set_all_bytes(void *mem, __u32 mem__szk) __ksym;

__u8 bytes[8];

SEC("syscall")
int whole(void *ctx)
{
	return bpf_set_bytes(bytes, sizeof(bytes));
}

SEC("syscall")
int no_memory(void *ctx)
{
	return bpf_set_bytes(0, sizeof(bytes));
}

SEC("syscall")
int size_not_constant(void *ctx)
{
	__u32 size = bpf_get_prandom_u32();

	if (size > sizeof(bytes))
		size = sizeof(bytes);
	return bpf_set_bytes(bytes, size);
}

SEC("syscall")
int beyond(void *ctx)
{
	return bpf_set_bytes(bytes, sizeof(bytes) + 1);
}

SEC("syscall")
int no_memory_without_opt(void *ctx)
{
	return bpf_set_all_bytes(0, sizeof(bytes));
}

char LICENSE[] SEC("license") = "GPL";
