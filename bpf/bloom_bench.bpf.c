// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a bloom filter in front of a hash map saves a lookup of what is not in
 * the map, at several numbers of entries. The driver `bloom` runs it.
 */
#include "kassay.bpf.h"

#define LOOKUPS 100000

/*
 * What was measured last: the number of lookups, and how many nanoseconds all
 * of them took without the filter, and with it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 3);
} measured SEC(".maps");

/*
 * Where the next lookups begin: behind the entries of all maps, and no key is
 * looked up twice.
 */
static __u32 next = 1000000;

struct lookups {
	__u32 first;
	__u32 found;
};

/* Keys of different places differ, since the factor is odd. */
static __always_inline __u64 key_of(__u32 place)
{
	return place * 0x9e3779b97f4a7c15ULL;
}

static __always_inline long add(void *table, void *filter, __u32 place,
				__u32 *failed)
{
	__u64 key = key_of(place);

	if (bpf_map_update_elem(table, &key, &key, BPF_NOEXIST) ||
	    bpf_map_push_elem(filter, &key, BPF_ANY))
		++*failed;
	return 0;
}

/* Without a filter, that is NULL. */
static __always_inline long look_up(void *table, void *filter, __u32 place,
				    struct lookups *lookups)
{
	__u64 key = key_of(lookups->first + place);

	if (filter && bpf_map_peek_elem(filter, &key))
		return 0;
	if (bpf_map_lookup_elem(table, &key))
		++lookups->found;
	return 0;
}

static __always_inline void leave(__u32 place, __u64 value)
{
	bpf_map_update_elem(&measured, &place, &value, BPF_ANY);
}

/* Returns how many keys were found. */
static __always_inline int measure(void *without, void *with)
{
	struct lookups lookups = { .first = next };
	__u64 begin, middle, end;

	begin = bpf_ktime_get_ns();
	bpf_loop(LOOKUPS, without, &lookups, 0);
	middle = bpf_ktime_get_ns();
	bpf_loop(LOOKUPS, with, &lookups, 0);
	end = bpf_ktime_get_ns();
	next += LOOKUPS;
	leave(0, LOOKUPS);
	leave(1, middle - begin);
	leave(2, end - middle);
	return lookups.found;
}

/*
 * Maps of N entries, fill_N, which returns how many entries were not added, and
 * measure_N.
 */
#define BENCH(N)							\
enum { entries_##N = (N) };						\
									\
struct {								\
	__uint(type, BPF_MAP_TYPE_HASH);				\
	__type(key, __u64);						\
	__type(value, __u64);						\
	__uint(max_entries, entries_##N);				\
} table_##N SEC(".maps");						\
									\
struct {								\
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);			\
	__type(value, __u64);						\
	__uint(max_entries, entries_##N);				\
	/* How many hash functions. */					\
	__uint(map_extra, 3);						\
} filter_##N SEC(".maps");						\
									\
static long add_##N(__u32 place, void *failed)				\
{									\
	return add(&table_##N, &filter_##N, place, failed);		\
}									\
									\
static long without_##N(__u32 place, void *lookups)			\
{									\
	return look_up(&table_##N, NULL, place, lookups);		\
}									\
									\
static long with_##N(__u32 place, void *lookups)			\
{									\
	return look_up(&table_##N, &filter_##N, place, lookups);	\
}									\
									\
SEC("raw_tp")								\
int fill_##N(void *ctx)							\
{									\
	__u32 failed = 0;						\
									\
	bpf_loop(entries_##N, add_##N, &failed, 0);			\
	return failed;							\
}									\
									\
SEC("raw_tp")								\
int measure_##N(void *ctx)						\
{									\
	return measure(without_##N, with_##N);				\
}

BENCH(50000)
BENCH(100000)
BENCH(500000)
BENCH(1000000)

char LICENSE[] SEC("license") = "GPL";
