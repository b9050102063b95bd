// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

/* Two Chinese characters that mean "index", U+7D22 and U+5F15, in UTF-8. */
#define INDEX "\xe7\xb4\xa2\xe5\xbc\x95"

SEC("kprobe/vfs_unlink")
int printk_utf8(void *ctx)
{
	long in_format, as_argument;

	if (!is_task("unlink"))
		return 0;
	in_format = bpf_printk(INDEX " %d", 7);
	as_argument = bpf_printk("%s %d", INDEX, 7);
	bpf_printk("in the format: %ld, as an argument: %ld", in_format, as_argument);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
