// SPDX-License-Identifier: GPL-2.0-only
#include "dynptr_skb.bpf.h"

/* Drops a packet by what a slice of four bytes shows, and writes to the others. */
SEC("tc/ingress")
int dynptr_skb(struct __sk_buff *skb)
{
	__u8 buffer[4], mark = 0x2a, back = 0;
	struct bpf_dynptr dynptr;
	long written;
	__u8 *slice;

	bpf_dynptr_from_skb(skb, 0, &dynptr);
	slice = bpf_dynptr_slice(&dynptr, PAYLOAD, buffer, sizeof(buffer));
	if (!slice) {
		written = bpf_dynptr_write(&dynptr, PAYLOAD + 3, &mark, sizeof(mark), 0);
		bpf_printk("no slice of a payload of %u bytes, written to byte 3: %ld",
			   skb->len - PAYLOAD, written);
		return TC_ACT_OK;
	}
	if (slice[0] == 0xff) {
		bpf_printk("dropped, byte 3 is %x", slice[3]);
		return TC_ACT_SHOT;
	}
	written = bpf_dynptr_write(&dynptr, PAYLOAD + 3, &mark, sizeof(mark), 0);
	bpf_dynptr_read(&back, sizeof(back), &dynptr, PAYLOAD + 3, 0);
	bpf_printk("written to byte 3: %ld, which is %x", written, back);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
