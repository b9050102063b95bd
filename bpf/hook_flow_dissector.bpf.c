// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("flow_dissector")
int hook_flow_dissector(struct __sk_buff *skb)
{
	bpf_printk("a flow is dissected");
	return BPF_OK;
}

char LICENSE[] SEC("license") = "GPL";
