/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs share: the kernel's types as far as they are used. */
#ifndef KASSAY_BPF_H
#define KASSAY_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* libbpf finds the fields where the running kernel has them. */
struct task_struct {
	int pid;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

/* Of modules/kfunc_refs. */
extern struct task_struct *bpf_find_get_task_by_vpid(int nr) __ksym;
extern void bpf_put_task(struct task_struct *task) __ksym;

#endif /* KASSAY_BPF_H */
