// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 st_value(__u64 value) __ksym;

SEC("syscall")
int kfunc_member(void *ctx)
{
	return st_value(41);
}

char LICENSE[] SEC("license") = "GPL";
