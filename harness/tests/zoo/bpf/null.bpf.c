// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u32 bpf_zoo_null(__u32 place) __ksym;

SEC("kprobe/vfs_unlink")
int null(void *ctx)
{
	bpf_zoo_null(2);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
