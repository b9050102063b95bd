// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int first(void *ctx);
int second(void *ctx);

/* Filled by libbpf, with what it has loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, int(void *));
} stages SEC(".maps") = {
	.values = {
		[0] = (void *)&first,
		[1] = (void *)&second,
	},
};

SEC("raw_tp")
int first(void *ctx)
{
	bpf_tail_call(ctx, &stages, 1);
	return 1;
}

SEC("raw_tp")
int second(void *ctx)
{
	return 2;
}

/* Falls through where the second is not in its place. */
SEC("raw_tp")
int start(void *ctx)
{
	bpf_tail_call(ctx, &stages, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
