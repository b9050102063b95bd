// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include "kassay.bpf.h"

extern __u64 bpf_kfunc_call_test(__u32 a, __u64 b, __u32 c, __u64 d) __ksym;

/* A test of the kfunc: what it is given, and what it is to return. */
struct test {
	char name[8];
	__u32 a;
	__u64 b;
	struct {
		__u32 c;
		__u64 d;
	};
	__u64 sum;
};

/* The scenario fills them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct test);
} tests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__uint(key_size, 2);
	__type(value, bool);
} by_bytes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} runs SEC(".maps");

/* As large as a number, and none: of these there is no sum. */
struct range {
	__u32 from;
	__u32 to;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct range);
} ranges SEC(".maps");

static long try(__u32 index, void *ctx)
{
	struct test *test = bpf_map_lookup_elem(&tests, &index);
	__u64 sum;

	if (!test || !test->name[0])
		return 0;
	sum = bpf_kfunc_call_test(test->a, test->b, test->c, test->d);
	bpf_printk("%s: %lld is %s", test->name, sum, sum == test->sum ? "right" : "wrong");
	return 0;
}

SEC("kprobe/vfs_unlink")
int maps(void *ctx)
{
	const char key[2] = { 1, 2 };
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&runs, &zero);
	bool *is_there = bpf_map_lookup_elem(&by_bytes, key);

	if (!count || !is_there || !*is_there)
		return 0;
	*count += 1;
	bpf_loop(4, try, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
