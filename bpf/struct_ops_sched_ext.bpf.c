// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>

#include "kassay.bpf.h"

enum scx_exit_kind {
	SCX_EXIT_UNREG = 64,
};

struct scx_exit_info {
	enum scx_exit_kind kind;
} KERNEL_TYPE;

struct sched_ext_ops {
	void (*running)(struct task_struct *p);
	int (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	char name[128];
};

/* In which task the kernel asks differs from kernel to kernel. */
bool has_begun, has_run, is_unregistered;

SEC("struct_ops.s/init")
int BPF_PROG(begin)
{
	has_begun = true;
	return 0;
}

SEC("struct_ops/running")
void BPF_PROG(run, struct task_struct *task)
{
	char comm[COMM_LEN];

	bpf_probe_read_kernel_str(comm, sizeof(comm), task->comm);
	if (!bpf_strncmp(comm, sizeof(comm), "unlink"))
		has_run = true;
}

SEC("struct_ops/exit")
void BPF_PROG(end, struct scx_exit_info *info)
{
	is_unregistered = info->kind == SCX_EXIT_UNREG;
}

/* Without callbacks of its own for queues it leaves these to the kernel. */
SEC(".struct_ops.link")
struct sched_ext_ops scheduler = {
	.running = (void *)run,
	.init = (void *)begin,
	.exit = (void *)end,
	.name = "kassay",
};

char LICENSE[] SEC("license") = "GPL";
