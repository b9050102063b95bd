// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>

#include "kassay.bpf.h"

/* The kernel has more of it; libbpf asks that it be a structure. */
struct sock {
};

extern int bpf_kfunc_call_test2(struct sock *sk, __u32 a, __u32 b) __ksym;

/* The socket that the datagrams of a udp step go to. */
SEC("tc/ingress")
int kfunc_call_test2(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;

	bpf_skb_load_bytes_relative(skb, 12, &tuple.ipv4.saddr, 8,
				    BPF_HDR_START_NET);
	bpf_skb_load_bytes_relative(skb, 20, &tuple.ipv4.sport, 4,
				    BPF_HDR_START_NET);
	sk = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv4),
			       BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return TC_ACT_OK;
	bpf_printk("Of a socket, 1 and 2: %d",
		   bpf_kfunc_call_test2((struct sock *)sk, 1, 2));
	bpf_sk_release(sk);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
