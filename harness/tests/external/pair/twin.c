// SPDX-License-Identifier: GPL-2.0-only
/* Compiled by its owner: a scenario takes the object. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/vfs_unlink")
int twin(void *ctx)
{
	bpf_printk("compiled elsewhere");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
