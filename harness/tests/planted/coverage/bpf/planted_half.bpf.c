// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_planted_half(int number) __ksym;

SEC("syscall")
int planted_half(void *ctx)
{
	int i, sum = 0;

	for (i = 0; i < 3; i++)
		sum += bpf_planted_half(i);
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
