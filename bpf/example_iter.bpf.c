// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two iterators: one prints a table of processes, the other what a tracepoint
 * counted into a map.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define COMM_LEN 16

struct usage {
	__u64 calls;
	__u64 absolute;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, char[COMM_LEN]);
	__type(value, struct usage);
} usage_by_comm SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_unlinkat")
int count_unlinks(struct syscall_trace_enter *ctx)
{
	char comm[COMM_LEN] = {};
	struct usage first = {}, *usage;
	char path[2] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	bpf_map_update_elem(&usage_by_comm, comm, &first, BPF_NOEXIST);
	usage = bpf_map_lookup_elem(&usage_by_comm, comm);
	if (!usage)
		return 0;
	__sync_fetch_and_add(&usage->calls, 1);
	bpf_probe_read_user(path, 1, (void *)ctx->args[1]);
	if (path[0] == '/')
		__sync_fetch_and_add(&usage->absolute, 1);
	return 0;
}

SEC("iter/task")
int dump_tasks(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;

	if (ctx->meta->seq_num == 0)
		BPF_SEQ_PRINTF(seq, "COMM             PARENT           THREADS  PRIO\n");
	/* Kernel threads have no memory of their own. */
	if (!task || !task->mm)
		return 0;
	BPF_SEQ_PRINTF(seq, "%-16s %-16s %7d %5d\n", task->comm, task->real_parent->comm,
		       task->signal->nr_threads, task->prio - 100);
	return 0;
}

SEC("iter/bpf_map_elem")
int dump_usage(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	const char *comm = ctx->key;
	struct usage *usage = ctx->value;

	/* Once more at the end, without an element. */
	if (!comm || !usage)
		return 0;
	BPF_SEQ_PRINTF(seq, "%-16s %5llu calls, %llu of absolute paths\n", comm, usage->calls,
		       usage->absolute);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
