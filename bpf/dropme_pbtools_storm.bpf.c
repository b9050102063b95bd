// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

extern int kfunc_tc_ingress_clsact_filter(struct __sk_buff *skb) __ksym;
extern int kfunc_dropme_pbtools(struct __sk_buff *skb) __ksym;

/* How many socket buffers there were: linear ones, and others. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} skbs SEC(".maps");

/* How many packets the two modules decide differently. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} apart SEC(".maps");

static void count(void *counts, __u32 place)
{
	__u64 *count = bpf_map_lookup_elem(counts, &place);

	if (count)
		(*count)++;
}

SEC("tc/ingress")
int dropme_pbtools_storm(struct __sk_buff *skb)
{
	int verdict = kfunc_dropme_pbtools(skb);

	count(&skbs, (long)skb->data_end - (long)skb->data < skb->len);
	if (verdict != kfunc_tc_ingress_clsact_filter(skb))
		count(&apart, 0);
	return verdict == -1 ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
