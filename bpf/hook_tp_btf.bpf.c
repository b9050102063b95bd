// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

SEC("tp_btf/sched_process_exec")
int BPF_PROG(hook_tp_btf, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	char filename[64];

	if (!is_task("exec"))
		return 0;
	bpf_probe_read_kernel_str(filename, sizeof(filename), bprm->filename);
	bpf_printk("%s is %s, with %d arguments", task->comm, filename, bprm->argc);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
