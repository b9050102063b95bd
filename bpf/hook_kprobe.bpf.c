// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

#define MAX_ARGS 8

/*
 * The wrapper of a system call has one argument, the registers of the caller,
 * and those have the system call's own arguments.
 */
SEC("ksyscall/execve")
int BPF_KPROBE(hook_kprobe, struct pt_regs *regs)
{
	unsigned long argv, arg;
	char text[64];
	int i;

	if (!is_task("exec"))
		return 0;
	bpf_probe_read_kernel(&argv, sizeof(argv), &PT_REGS_PARM2_SYSCALL(regs));
	for (i = 0; i < MAX_ARGS; i++) {
		bpf_probe_read_user(&arg, sizeof(arg), (void *)(argv + i * sizeof(arg)));
		if (!arg)
			break;
		bpf_probe_read_user_str(text, sizeof(text), (void *)arg);
		bpf_printk("argv[%d] is '%s'", i, text);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
