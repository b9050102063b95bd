// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u32 bpf_sum_bytes(const void *mem, __u32 mem__sz) __ksym;

__u8 bytes[8] = { 1, 2, 3 };

SEC("syscall")
int whole(void *ctx)
{
	return bpf_sum_bytes(bytes, sizeof(bytes));
}

SEC("syscall")
int bounded(void *ctx)
{
	__u32 size = bpf_get_prandom_u32();

	if (size > sizeof(bytes))
		size = sizeof(bytes);
	bpf_sum_bytes(bytes, size);
	return 0;
}

SEC("syscall")
int unbounded(void *ctx)
{
	return bpf_sum_bytes(bytes, bpf_get_prandom_u32() >> 1);
}

SEC("syscall")
int beyond(void *ctx)
{
	return bpf_sum_bytes(bytes, sizeof(bytes) + 1);
}

char LICENSE[] SEC("license") = "GPL";
