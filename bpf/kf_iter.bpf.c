// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct bpf_iter_squares {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

extern int bpf_iter_squares_new(struct bpf_iter_squares *it, __u32 end) __ksym;
extern __u32 *bpf_iter_squares_next(struct bpf_iter_squares *it) __ksym;
extern void bpf_iter_squares_destroy(struct bpf_iter_squares *it) __ksym;

SEC("syscall")
int sum_of_squares(void *ctx)
{
	struct bpf_iter_squares it;
	__u32 *square;
	int sum = 0;

	bpf_iter_squares_new(&it, 4);
	while ((square = bpf_iter_squares_next(&it)))
		sum += *square;
	bpf_iter_squares_destroy(&it);
	return sum;
}

SEC("syscall")
int never_destroyed(void *ctx)
{
	struct bpf_iter_squares it;

	bpf_iter_squares_new(&it, 4);
	return 0;
}

SEC("syscall")
int next_before_new(void *ctx)
{
	struct bpf_iter_squares it;

	bpf_iter_squares_next(&it);
	return 0;
}

SEC("syscall")
int new_twice(void *ctx)
{
	struct bpf_iter_squares it;

	bpf_iter_squares_new(&it, 4);
	bpf_iter_squares_new(&it, 4);
	bpf_iter_squares_destroy(&it);
	return 0;
}

SEC("syscall")
int next_unchecked(void *ctx)
{
	struct bpf_iter_squares it;
	int square;

	bpf_iter_squares_new(&it, 4);
	square = *bpf_iter_squares_next(&it);
	bpf_iter_squares_destroy(&it);
	return square;
}

char LICENSE[] SEC("license") = "GPL";
