// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/vfs_unlink")
int rejected(void *ctx)
{
	*(volatile __u64 *)(ctx + 4096);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
