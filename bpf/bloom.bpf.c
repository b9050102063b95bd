// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* Members are the numbers below this; as many from here on are not. */
#define MEMBERS 100000

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__type(value, __u32);
	__uint(max_entries, MEMBERS);
	/* How many hash functions. */
	__uint(map_extra, 3);
	/* Without it the seed of the hash functions is random, and so the rate. */
	__uint(map_flags, BPF_F_ZERO_SEED);
} filter SEC(".maps");

static long push(__u32 index, void *failed)
{
	if (bpf_map_push_elem(&filter, &index, BPF_ANY))
		++*(__u32 *)failed;
	return 0;
}

static long peek(__u32 index, void *found)
{
	if (!bpf_map_peek_elem(&filter, &index))
		++*(__u32 *)found;
	return 0;
}

static long peek_behind(__u32 index, void *found)
{
	return peek(MEMBERS + index, found);
}

SEC("raw_tp")
int empty(void *ctx)
{
	__u32 found = 0;

	bpf_loop(MEMBERS, peek, &found, 0);
	bpf_printk("%u of %u found before the first push", found, MEMBERS);
	return 0;
}

SEC("raw_tp")
int filled(void *ctx)
{
	__u32 failed = 0, members = 0, others = 0;

	bpf_loop(MEMBERS, push, &failed, 0);
	bpf_loop(MEMBERS, peek, &members, 0);
	bpf_loop(MEMBERS, peek_behind, &others, 0);
	bpf_printk("%u of %u not pushed", failed, MEMBERS);
	bpf_printk("%u of %u false negatives", MEMBERS - members, MEMBERS);
	bpf_printk("%u of %u false positives", others, MEMBERS);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
