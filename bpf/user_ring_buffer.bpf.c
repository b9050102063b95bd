// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* A sample takes 16 bytes, half of them its header. */
struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 1 << 12);
} numbers SEC(".maps");

/* No local variables: the verifier would follow the values of each of 128 Ki samples. */
__u64 count, in_order, first, last;

/* After how many samples to stop. */
__u64 most;

static long take(struct bpf_dynptr *sample, void *context)
{
	__u64 number;

	if (bpf_dynptr_read(&number, sizeof(number), sample, 0, 0))
		return 1;
	if (!count)
		first = number;
	if (number == first + count)
		in_order++;
	last = number;
	return ++count == most;
}

static int drain(void)
{
	long returned;

	count = 0;
	in_order = 0;
	returned = bpf_user_ringbuf_drain(&numbers, take, NULL, 0);
	bpf_printk("returned %ld: %llu samples, %llu in order", returned, count, in_order);
	if (count)
		bpf_printk("from %llu to %llu", first, last);
	return returned;
}

SEC("syscall")
int drain_ten(void *ctx)
{
	most = 10;
	return drain();
}

SEC("syscall")
int drain_all(void *ctx)
{
	most = 0;
	return drain();
}

char LICENSE[] SEC("license") = "GPL";
