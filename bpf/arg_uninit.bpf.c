// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* Of the kernel itself: the verifier knows what becomes of these alone. */
extern int bpf_dynptr_clone(const struct bpf_dynptr *ptr,
			    struct bpf_dynptr *clone__uninit) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *ptr) __ksym;

__u8 bytes[8];

SEC("syscall")
int uninitialized(void *ctx)
{
	struct bpf_dynptr dynptr, clone;

	bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &dynptr);
	bpf_dynptr_clone(&dynptr, &clone);
	return bpf_dynptr_size(&clone);
}

SEC("syscall")
int without_annotation(void *ctx)
{
	struct bpf_dynptr dynptr;

	return bpf_dynptr_size(&dynptr);
}

SEC("syscall")
int not_on_stack(void *ctx)
{
	struct bpf_dynptr dynptr;

	bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &dynptr);
	return bpf_dynptr_clone(&dynptr, (void *)bytes);
}

char LICENSE[] SEC("license") = "GPL";
