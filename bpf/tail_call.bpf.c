// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

int called(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, int (struct __sk_buff *));
} jumps SEC(".maps") = {
	.values = { [1] = (void *)&called },
};

SEC("tc")
int entry(struct __sk_buff *skb)
{
	bpf_printk("entry");
	bpf_tail_call(skb, &jumps, 1);
	return 0;
}

/* What a map of programs has belongs to those that call it, not to a hook. */
SEC("tc")
int called(struct __sk_buff *skb)
{
	bpf_printk("called");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
