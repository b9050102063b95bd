// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u32 bpf_max_entries(void *map__map) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 7);
	__type(key, __u32);
	__type(value, __u64);
} seven SEC(".maps");

SEC("syscall")
int map(void *ctx)
{
	return bpf_max_entries(&seven);
}

SEC("syscall")
int stack(void *ctx)
{
	__u64 word = 0;

	return bpf_max_entries(&word);
}

char LICENSE[] SEC("license") = "GPL";
