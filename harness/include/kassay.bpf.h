/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What programs share. The kernel's types are here as far as they are read;
 * libbpf relocates each access to the running kernel's own (CO-RE).
 */
#ifndef KASSAY_BPF_H
#define KASSAY_BPF_H

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#define KERNEL_TYPE __attribute__((preserve_access_index))

/* TASK_COMM_LEN of include/linux/sched.h. */
#define COMM_LEN 16

/* Whether the current task is called that, which has fewer letters than COMM_LEN. */
#define is_task(name)                                                          \
	({                                                                     \
		char comm[COMM_LEN] = {};                                      \
		bpf_get_current_comm(comm, sizeof(comm));                      \
		!__builtin_memcmp(comm, name, sizeof(name));                   \
	})

struct inode;

struct qstr {
	const unsigned char *name;
} KERNEL_TYPE;

struct dentry {
	struct qstr d_name;
} KERNEL_TYPE;

struct task_struct {
	int pid;
	struct task_struct *real_parent;
	char comm[COMM_LEN];
} KERNEL_TYPE;

struct linux_binprm {
	int argc;
	const char *filename;
} KERNEL_TYPE;

/* Of modules/kfunc_refs. */
extern struct task_struct *bpf_find_get_task_by_vpid(int nr) __ksym;
extern void bpf_put_task(struct task_struct *task) __ksym;

#endif /* KASSAY_BPF_H */
