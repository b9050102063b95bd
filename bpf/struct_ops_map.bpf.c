// SPDX-License-Identifier: GPL-2.0-only
#include "struct_ops.bpf.h"

__u32 asked;
int told;

SEC("struct_ops/answer")
int BPF_PROG(twice, __u32 question)
{
	asked++;
	return 2 * question;
}

SEC("struct_ops/told")
void BPF_PROG(hear, int answer)
{
	told = answer;
}

SEC(".struct_ops")
struct kassay_ops by_map = {
	.answer = (void *)twice,
	.told = (void *)hear,
	.name = "by_map",
};

char LICENSE[] SEC("license") = "GPL";
