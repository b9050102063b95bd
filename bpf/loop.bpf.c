// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* BPF_MAX_LOOPS of include/linux/bpf.h. */
#define MAX_LOOPS (1 << 23)

static long count(__u32 index, void *counter)
{
	++*(__u64 *)counter;
	return 0;
}

static long stop_at_ten(__u32 index, void *counter)
{
	++*(__u64 *)counter;
	return index == 10;
}

static long add_index(__u32 index, void *sum)
{
	*(__u64 *)sum += index;
	return 0;
}

SEC("syscall")
int whole(void *ctx)
{
	__u64 counter = 0, sum = 0;
	long done;

	done = bpf_loop(1000, count, &counter, 0);
	bpf_loop(1000, add_index, &sum, 0);
	bpf_printk("returned %ld, called %llu times, sum of indices %llu", done, counter, sum);
	return 0;
}

SEC("syscall")
int stopped(void *ctx)
{
	__u64 counter = 0;
	long done;

	done = bpf_loop(1000, stop_at_ten, &counter, 0);
	bpf_printk("stopped at index 10: returned %ld, called %llu times", done, counter);
	return 0;
}

SEC("syscall")
int never(void *ctx)
{
	__u64 counter = 0;
	long done;

	done = bpf_loop(0, count, &counter, 0);
	bpf_printk("no times: returned %ld, called %llu times", done, counter);
	return 0;
}

SEC("syscall")
int longest(void *ctx)
{
	__u64 counter = 0;
	long done;

	done = bpf_loop(MAX_LOOPS, count, &counter, 0);
	bpf_printk("the limit: returned %ld, called %llu times", done, counter);
	return 0;
}

SEC("syscall")
int too_long(void *ctx)
{
	__u64 counter = 0;
	/* Of 32 bits where the verifier writes the loop out instead of the call. */
	int error;

	error = bpf_loop(MAX_LOOPS + 1, count, &counter, 0);
	bpf_printk("one more: returned %d, called %llu times", error, counter);
	return error;
}

SEC("syscall")
int with_flags(void *ctx)
{
	__u64 counter = 0;
	long error;

	error = bpf_loop(1000, count, &counter, 1);
	bpf_printk("with flags: returned %ld, called %llu times", error, counter);
	return error;
}

static long returns_two(__u32 index, void *counter)
{
	return 2;
}

SEC("syscall")
int neither_0_nor_1(void *ctx)
{
	__u64 counter = 0;

	return bpf_loop(1000, returns_two, &counter, 0);
}

char LICENSE[] SEC("license") = "GPL";
