// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct sample {
	__u32 cpu;
	__u32 number;
};

/* A sample takes 16 bytes, half of them its header. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 19);
} roomy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
} small SEC(".maps");

/* The number that the next sample of a CPU has. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static int number(struct sample *sample)
{
	__u32 zero = 0, *number = bpf_map_lookup_elem(&next, &zero);

	if (!number)
		return -1;
	sample->cpu = bpf_get_smp_processor_id();
	sample->number = (*number)++;
	return 0;
}

SEC("raw_tp")
int into_roomy(void *ctx)
{
	struct sample own, *sample;

	if (number(&own))
		return 1;
	sample = bpf_ringbuf_reserve(&roomy, sizeof(*sample), 0);
	if (!sample)
		return 1;
	*sample = own;
	bpf_ringbuf_submit(sample, 0);
	return 0;
}

SEC("raw_tp")
int into_small(void *ctx)
{
	struct sample sample;

	return number(&sample) || bpf_ringbuf_output(&small, &sample, sizeof(sample), 0);
}

char LICENSE[] SEC("license") = "GPL";
