// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("kprobe/vfs_unlink")
int idle(void *ctx)
{
	return 0;
}
