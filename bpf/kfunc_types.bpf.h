/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that call what modules/kfunc_types has for programs of a type. */
#ifndef KFUNC_TYPES_BPF_H
#define KFUNC_TYPES_BPF_H

#include "kassay.bpf.h"

extern int bpf_for_common(void) __ksym;

/* A program that calls what is for its type, and what is for all. */
#define CALLS(section, name, type)					\
extern int bpf_for_##type(void) __ksym;					\
									\
SEC(section)								\
int in_##name(void *ctx)						\
{									\
	bpf_for_common();						\
	bpf_for_##type();						\
	return 0;							\
}

/* A program that calls what is for another type. */
#define CALLS_OTHER(section, name, type)				\
extern int bpf_for_##type(void) __ksym;					\
									\
SEC(section)								\
int in_##name##_for_##type(void *ctx)					\
{									\
	bpf_for_##type();						\
	return 0;							\
}

#endif /* KFUNC_TYPES_BPF_H */
