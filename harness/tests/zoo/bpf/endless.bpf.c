// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_zoo_endless(__u64 rounds) __ksym;

SEC("kprobe/vfs_unlink")
int endless(void *ctx)
{
	bpf_zoo_endless(1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
