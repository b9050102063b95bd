// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_strstr(const char *str, __u32 str__sz,
		      const char *substr, __u32 substr__sz) __ksym;

SEC("kprobe/do_unlinkat")
int kfunc_strstr(void *ctx)
{
	/*
	 * On the stack, because for the verifier a kfunc may also write to the
	 * memory that it is given with a size, and constants are read-only.
	 */
	char str[] = "Hello, world!";
	char substr[] = "wor";
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	int index = bpf_strstr(str, sizeof(str), substr, sizeof(substr));

	if (index < 0)
		bpf_printk("'%s' not found in '%s'", substr, str);
	else
		bpf_printk("'%s' found in '%s' at index %d", substr, str, index);
	bpf_printk("Hello, world! (pid: %d) bpf_strstr %d", pid, index);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
