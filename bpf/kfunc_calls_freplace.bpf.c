// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern int bpf_for_sched_cls(void) __ksym;

/* In a map of its own: those of both objects' variables would have one name. */
int in_freplace SEC(".data.freplace") = -1;

/* A function of a classifier has what is for classifiers. */
SEC("freplace/verdict")
int call_freplace(struct __sk_buff *skb)
{
	in_freplace = bpf_for_sched_cls();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
