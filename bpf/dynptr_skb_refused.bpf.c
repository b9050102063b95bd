// SPDX-License-Identifier: GPL-2.0-only
#include "dynptr_skb.bpf.h"

SEC("tc")
int in_bounds(struct __sk_buff *skb)
{
	struct bpf_dynptr dynptr;
	__u8 buffer[4], *slice;

	bpf_dynptr_from_skb(skb, 0, &dynptr);
	slice = bpf_dynptr_slice(&dynptr, PAYLOAD, buffer, sizeof(buffer));
	return slice ? slice[3] : 0;
}

SEC("tc")
int out_of_bounds(struct __sk_buff *skb)
{
	struct bpf_dynptr dynptr;
	__u8 buffer[4], *slice;

	bpf_dynptr_from_skb(skb, 0, &dynptr);
	slice = bpf_dynptr_slice(&dynptr, PAYLOAD, buffer, sizeof(buffer));
	return slice ? slice[4] : 0;
}

SEC("tc")
int written_to(struct __sk_buff *skb)
{
	struct bpf_dynptr dynptr;
	__u8 buffer[4], *slice;

	bpf_dynptr_from_skb(skb, 0, &dynptr);
	slice = bpf_dynptr_slice(&dynptr, PAYLOAD, buffer, sizeof(buffer));
	if (slice)
		slice[0] = 0;
	return 0;
}

/* A write may move the packet's data. */
SEC("tc")
int behind_a_write(struct __sk_buff *skb)
{
	struct bpf_dynptr dynptr;
	__u8 buffer[4], *slice;

	bpf_dynptr_from_skb(skb, 0, &dynptr);
	slice = bpf_dynptr_slice(&dynptr, PAYLOAD, buffer, sizeof(buffer));
	if (!slice)
		return 0;
	bpf_dynptr_write(&dynptr, PAYLOAD, &(__u8){1}, 1, 0);
	return slice[0];
}

char LICENSE[] SEC("license") = "GPL";
