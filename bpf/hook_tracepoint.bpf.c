// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/*
 * Not struct trace_event_raw_sys_enter, which is of raw_syscalls/sys_enter: with
 * the longer struct trace_entry of 6.1's PREEMPT_RT its args lie elsewhere.
 */
struct syscall_trace_enter {
	unsigned long args[6];
} KERNEL_TYPE;

SEC("tracepoint/syscalls/sys_enter_execve")
int hook_tracepoint(struct syscall_trace_enter *ctx)
{
	char comm[COMM_LEN], filename[64];

	if (!is_task("exec"))
		return 0;
	bpf_get_current_comm(comm, sizeof(comm));
	bpf_probe_read_user_str(filename, sizeof(filename), (void *)ctx->args[0]);
	bpf_printk("%s executes %s", comm, filename);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
