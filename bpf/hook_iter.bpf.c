// SPDX-License-Identifier: GPL-2.0-only
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("iter/task")
int hook_iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task->pid == 1)
		BPF_SEQ_PRINTF(ctx->meta->seq, "task %d\n", task->pid);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
