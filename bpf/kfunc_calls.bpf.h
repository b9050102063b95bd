/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that keep what a kfunc of modules/kfunc_types returned to them. */
#ifndef KFUNC_CALLS_BPF_H
#define KFUNC_CALLS_BPF_H

#include "kassay.bpf.h"

/* A program of a section that calls what is for a type. The kfunc returns no -1. */
#define CALL(section, name, type, verdict)				\
extern int bpf_for_##type(void) __ksym;					\
									\
int in_##name = -1;							\
									\
SEC(section)								\
int call_##name(void *ctx)						\
{									\
	in_##name = bpf_for_##type();					\
	return verdict;							\
}

#endif /* KFUNC_CALLS_BPF_H */
