// SPDX-License-Identifier: GPL-2.0-only
#include "struct_ops.bpf.h"

__u32 asked;

SEC("struct_ops/answer")
int BPF_PROG(square, __u32 question)
{
	asked++;
	return question * question;
}

/* Nobody is told. */
SEC(".struct_ops.link")
struct kassay_ops by_link = {
	.answer = (void *)square,
	.name = "by_link",
};

char LICENSE[] SEC("license") = "GPL";
