// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_panic(void) __ksym;

SEC("kprobe/vfs_unlink")
int kfunc_panic(void *ctx)
{
	bpf_panic();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
