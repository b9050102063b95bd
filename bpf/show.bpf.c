// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u64 bpf_kfunc_call_test(__u32 a, __u64 b, __u32 c, __u64 d) __ksym;

/* Has one number a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

struct sum {
	char comm[COMM_LEN];
	__s32 negative;
	__u64 sum;
	__u8 digits[2];
};

/* Keys are hashed, and listed in their order all the same. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct sum);
} sums SEC(".maps");

/* Has more entries than are shown, of no known type. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 20);
	__uint(key_size, 4);
	__uint(value_size, 2);
} places SEC(".maps");

static void count(void)
{
	__u32 zero = 0;
	__u64 *number = bpf_map_lookup_elem(&calls, &zero);

	if (number)
		++*number;
}

SEC("kprobe/vfs_unlink")
int one(void *ctx)
{
	count();
	return 0;
}

/* The same instructions as above. */
SEC("kprobe/vfs_unlink")
int the_same(void *ctx)
{
	count();
	return 0;
}

static void add(__u32 key)
{
	struct sum sum = {};

	sum.sum = bpf_kfunc_call_test(key, 1, 2, 3);
	sum.negative = -sum.sum;
	sum.digits[0] = sum.sum / 100;
	sum.digits[1] = sum.sum % 100;
	bpf_get_current_comm(sum.comm, sizeof(sum.comm));
	bpf_map_update_elem(&sums, &key, &sum, BPF_ANY);
}

SEC("kprobe/vfs_unlink")
int another(void *ctx)
{
	add(1000);
	add(2);
	add(256);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
