// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_zoo_link_left(__u64 files) __ksym;

SEC("kprobe/vfs_unlink")
int link_left(void *ctx)
{
	bpf_zoo_link_left(64);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
