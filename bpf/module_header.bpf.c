// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_iter.h"
#include <bpf/bpf_helpers.h>

SEC("syscall")
int sum_by_header(void *ctx)
{
	struct bpf_iter_squares it;
	u32 *square;
	int sum = 0;

	bpf_iter_squares_new(&it, 5);
	while ((square = bpf_iter_squares_next(&it)))
		sum += *square;
	bpf_iter_squares_destroy(&it);
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
