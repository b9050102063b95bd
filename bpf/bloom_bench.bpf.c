// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a bloom filter in front of a hash map saves a lookup of what is not in
 * the map. `kassay bench bloom` compiles it for each number of entries.
 */
#include "kassay.bpf.h"

#ifndef ENTRIES
#define ENTRIES 50000
#endif

#define LOOKUPS 100000

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64);
	__type(value, __u64);
	__uint(max_entries, ENTRIES);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__type(value, __u64);
	__uint(max_entries, ENTRIES);
	/* How many hash functions. */
	__uint(map_extra, 3);
} filter SEC(".maps");

/* Where the next lookups begin: no key is looked up twice. */
static __u32 next = ENTRIES;

struct lookups {
	__u32 first;
	__u32 found;
};

/* Keys of different places differ, since the factor is odd. */
static __u64 key_of(__u32 place)
{
	return place * 0x9e3779b97f4a7c15ULL;
}

static long add(__u32 place, void *failed)
{
	__u64 key = key_of(place);

	if (bpf_map_update_elem(&table, &key, &key, BPF_NOEXIST) ||
	    bpf_map_push_elem(&filter, &key, BPF_ANY))
		++*(__u32 *)failed;
	return 0;
}

static long look_up(__u32 place, void *ctx)
{
	struct lookups *lookups = ctx;
	__u64 key = key_of(lookups->first + place);

	if (bpf_map_lookup_elem(&table, &key))
		++lookups->found;
	return 0;
}

static long look_up_filtered(__u32 place, void *ctx)
{
	struct lookups *lookups = ctx;
	__u64 key = key_of(lookups->first + place);

	if (!bpf_map_peek_elem(&filter, &key) &&
	    bpf_map_lookup_elem(&table, &key))
		++lookups->found;
	return 0;
}

SEC("raw_tp")
int fill(void *ctx)
{
	__u32 failed = 0;

	bpf_loop(ENTRIES, add, &failed, 0);
	return failed;
}

/* Prints the nanoseconds without and with the filter; returns what was found. */
SEC("raw_tp")
int measure(void *ctx)
{
	struct lookups lookups = { .first = next };
	__u64 begin, middle, end;

	begin = bpf_ktime_get_ns();
	bpf_loop(LOOKUPS, look_up, &lookups, 0);
	middle = bpf_ktime_get_ns();
	bpf_loop(LOOKUPS, look_up_filtered, &lookups, 0);
	end = bpf_ktime_get_ns();
	next += LOOKUPS;
	bpf_printk("%u lookups without %llu ns with %llu ns", LOOKUPS,
		   middle - begin, end - middle);
	return lookups.found;
}

char LICENSE[] SEC("license") = "GPL";
