// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

enum hid_report_type {
	HID_INPUT_REPORT = 0,
};

struct hid_bpf_ctx {
	__u32 allocated_size;
} KERNEL_TYPE;

struct hid_bpf_ops {
	int hid_id;
	int (*hid_device_event)(struct hid_bpf_ctx *ctx, enum hid_report_type type, __u64 source);
};

extern __u8 *hid_bpf_get_data(struct hid_bpf_ctx *ctx, unsigned int offset,
			      const __u64 size) __ksym;

SEC("struct_ops/hid_device_event")
int BPF_PROG(swap, struct hid_bpf_ctx *hid, enum hid_report_type type, __u64 source)
{
	__u8 *data = hid_bpf_get_data(hid, 0, 2);
	__u8 first;

	if (!data || type != HID_INPUT_REPORT)
		return 0;
	first = data[0];
	data[0] = data[1];
	data[1] = first;
	return 0;
}

/* The first device of a machine that has no other. */
SEC(".struct_ops.link")
struct hid_bpf_ops swapped = {
	.hid_id = 1,
	.hid_device_event = (void *)swap,
};

char LICENSE[] SEC("license") = "GPL";
