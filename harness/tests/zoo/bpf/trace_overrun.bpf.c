// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* About 500 bytes a line: the buffer of a CPU holds less than 3000 of them. */
static const char TEXT[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

SEC("kprobe/do_unlinkat")
int trace_overrun(void *ctx)
{
	for (int line = 0; line < 100; line++)
		bpf_printk("%s%s%s", TEXT, TEXT, TEXT);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
