// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct sample {
	__u32 cpu;
	__u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} events SEC(".maps");

/* The number that the next sample of a CPU has. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static long output(void *ctx)
{
	__u32 zero = 0, *number = bpf_map_lookup_elem(&next, &zero);
	struct sample sample;

	if (!number)
		return 1;
	sample.cpu = bpf_get_smp_processor_id();
	sample.number = (*number)++;
	return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &sample, sizeof(sample));
}

SEC("raw_tp")
int within(void *ctx)
{
	return output(ctx) != 0;
}

SEC("raw_tp")
int beyond(void *ctx)
{
	return output(ctx) != 0;
}

char LICENSE[] SEC("license") = "GPL";
