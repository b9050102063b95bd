// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pkt_cls.h>
#include "kassay.bpf.h"

/* Another program replaces it, so the compiler must not know what it returns. */
__noinline int verdict(struct __sk_buff *skb)
{
	int pass = 0;

	asm volatile("" : "+r"(pass));
	return skb ? pass : 0;
}

/* It shares its types with the next one, but does not have the function. */
SEC("tc")
int look_on(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int classify(struct __sk_buff *skb)
{
	return verdict(skb);
}

char LICENSE[] SEC("license") = "GPL";
