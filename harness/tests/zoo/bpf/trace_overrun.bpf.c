// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The buffer of a CPU holds less than 4000 such lines. */
SEC("kprobe/vfs_unlink")
int trace_overrun(void *ctx)
{
	for (int line = 0; line < 100; line++)
		bpf_printk("%400d", line);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
