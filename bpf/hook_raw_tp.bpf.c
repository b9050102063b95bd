// SPDX-License-Identifier: GPL-2.0-only
#include <sys/syscall.h>
#include "kassay.bpf.h"

SEC("raw_tp/sys_enter")
int BPF_PROG(hook_raw_tp, struct pt_regs *regs, long id)
{
	unsigned long path;
	char text[64];

	if (id != __NR_execve || !is_task("exec"))
		return 0;
	bpf_probe_read_kernel(&path, sizeof(path), &PT_REGS_PARM1_SYSCALL(regs));
	bpf_probe_read_user_str(text, sizeof(text), (void *)path);
	bpf_printk("execve of '%s'", text);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
