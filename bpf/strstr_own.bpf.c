// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* What ends in __ign the verifier does not check; the kernel does, as it reads. */
extern int bpf_strstr(const char *s1__ign, const char *s2__ign) __ksym;

SEC("kprobe/vfs_unlink")
int strstr_own(void *ctx)
{
	if (!is_task("unlink"))
		return 0;
	bpf_printk("'wor' is at index %d, 'war' at %d", bpf_strstr("Hello, world!", "wor"),
		   bpf_strstr("Hello, world!", "war"));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
