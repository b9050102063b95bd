// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

__u8 bytes[8];

/* Not known to the verifier. */
volatile __u32 size = 24;
volatile __u32 offset = 6;

SEC("syscall")
int from_memory(void *ctx)
{
	__u8 inside[4] = { 4, 3, 2, 1 };
	__u32 beyond = 0;
	struct bpf_dynptr dynptr;
	long written, read;
	__u8 *slice;

	bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &dynptr);
	written = bpf_dynptr_write(&dynptr, 4, inside, sizeof(inside), 0);
	bpf_printk("written at 4 of 8: %ld, bytes %x and %x", written, bytes[4], bytes[7]);
	read = bpf_dynptr_read(&beyond, sizeof(beyond), &dynptr, offset, 0);
	bpf_printk("4 bytes read at 6 of 8: %ld", read);
	written = bpf_dynptr_write(&dynptr, offset, inside, sizeof(inside), 0);
	bpf_printk("4 bytes written at 6 of 8: %ld", written);
	slice = bpf_dynptr_data(&dynptr, 4, 4);
	bpf_printk("a slice of 4 bytes at 4: %d, its last byte %x", !!slice, slice ? slice[3] : 0);
	slice = bpf_dynptr_data(&dynptr, offset, 4);
	bpf_printk("a slice of 4 bytes at 6: %d", !!slice);
	return 0;
}

SEC("syscall")
int from_ring_buffer(void *ctx)
{
	__u64 content = 7, in_ring = 0;
	struct bpf_dynptr dynptr;
	__u32 header = 0;
	void *record;
	long error;

	error = bpf_ringbuf_reserve_dynptr(&ring, size, 0, &dynptr);
	bpf_dynptr_write(&dynptr, 16, &content, sizeof(content), 0);
	record = bpf_dynptr_data(&dynptr, 0, 24);
	bpf_ringbuf_submit_dynptr(&dynptr, 0);
	bpf_probe_read_kernel(&in_ring, sizeof(in_ring), record + 16);
	bpf_probe_read_kernel(&header, sizeof(header), record - BPF_RINGBUF_HDR_SZ);
	bpf_printk("24 bytes reserved: %ld, at 16 of the record is %llu", error, in_ring);
	bpf_printk("the record has %u bytes, busy: %d, discarded: %d",
		   header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT),
		   !!(header & BPF_RINGBUF_BUSY_BIT), !!(header & BPF_RINGBUF_DISCARD_BIT));

	/* One that was not to be had is given back as well. */
	error = bpf_ringbuf_reserve_dynptr(&ring, 4096, 0, &dynptr);
	bpf_printk("all of the ring reserved: %ld, written to: %ld", error,
		   bpf_dynptr_write(&dynptr, 0, &content, sizeof(content), 0));
	bpf_ringbuf_discard_dynptr(&dynptr, 0);
	return 0;
}

SEC("syscall")
int slice_exceeded(void *ctx)
{
	struct bpf_dynptr dynptr;
	__u8 *slice;

	bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &dynptr);
	slice = bpf_dynptr_data(&dynptr, 0, 4);
	return slice ? slice[4] : 0;
}

SEC("syscall")
int slice_unchecked(void *ctx)
{
	struct bpf_dynptr dynptr;
	__u8 *slice;

	bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &dynptr);
	slice = bpf_dynptr_data(&dynptr, 0, 4);
	return *slice;
}

SEC("syscall")
int slice_outlives(void *ctx)
{
	struct bpf_dynptr dynptr;
	__u8 *slice;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &dynptr);
	slice = bpf_dynptr_data(&dynptr, 0, 4);
	bpf_ringbuf_submit_dynptr(&dynptr, 0);
	if (slice)
		*slice = 1;
	return 0;
}

SEC("syscall")
int never_submitted(void *ctx)
{
	struct bpf_dynptr dynptr;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &dynptr);
	return 0;
}

SEC("syscall")
int from_stack(void *ctx)
{
	struct bpf_dynptr dynptr;
	__u64 memory = 0;

	bpf_dynptr_from_mem(&memory, sizeof(memory), 0, &dynptr);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
