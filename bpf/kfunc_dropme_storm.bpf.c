// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

extern int kfunc_tc_ingress_clsact_filter(struct __sk_buff *skb) __ksym;

/* How many socket buffers there were: linear ones, and others. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} skbs SEC(".maps");

SEC("tc/ingress")
int kfunc_dropme_storm(struct __sk_buff *skb)
{
	__u32 nonlinear = (long)skb->data_end - (long)skb->data < skb->len;
	__u64 *count = bpf_map_lookup_elem(&skbs, &nonlinear);

	if (count)
		(*count)++;
	return kfunc_tc_ingress_clsact_filter(skb) == -1 ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
