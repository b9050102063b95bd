/* SPDX-License-Identifier: GPL-2.0-only */
/* Of modules/struct_ops, whose programs have no helpers: what they see is in variables. */
#ifndef KASSAY_STRUCT_OPS_BPF_H
#define KASSAY_STRUCT_OPS_BPF_H

#include "kassay.bpf.h"

struct kassay_ops {
	int (*answer)(__u32 question);
	void (*told)(int answer);
	char name[16];
};

#endif /* KASSAY_STRUCT_OPS_BPF_H */
