// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_kfunc_call_test(__u32 a, __u64 b, __u32 c, __u64 d) __ksym;

SEC("kprobe/do_unlinkat")
int kfunc_sum(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 sum = bpf_kfunc_call_test(1, 2, 3, 4);

	bpf_printk("BPF triggered do_unlinkat from PID %d. Result: %lld", pid, sum);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
