// SPDX-License-Identifier: GPL-2.0-only
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

extern __u64 bpf_hello_twice(__u64 number) __ksym;

__u64 number = 21;
__u64 twice;

SEC("syscall")
int call_twice(void *ctx)
{
	twice = bpf_hello_twice(number);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
