// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"
#include <stdbool.h>
#include <bpf/usdt.bpf.h>

SEC("usdt//proc/self/exe:kassay:add")
int BPF_USDT(hook_usdt, __u64 a, __u64 b)
{
	bpf_printk("kassay:add has %d arguments, %llu and %llu", bpf_usdt_arg_cnt(ctx), a, b);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
