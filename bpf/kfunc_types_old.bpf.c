// SPDX-License-Identifier: GPL-2.0-only
#include "kassay.bpf.h"

extern __u64 bpf_kfunc_call_test(__u32 a, __u64 b, __u32 c, __u64 d) __ksym;

#define CALLS(section, name)						\
SEC(section)								\
int in_##name(void *ctx)						\
{									\
	bpf_kfunc_call_test(1, 2, 3, 4);				\
	return 0;							\
}

/* modules/kfunc_sum registers it for TRACING before 6.10: for the last of these alone. */
CALLS("kprobe/vfs_unlink", kprobe)
CALLS("tracepoint/syscalls/sys_enter_execve", tracepoint)
CALLS("perf_event", perf_event)
CALLS("raw_tp/sched_process_exec", raw_tp)
CALLS("fentry/vfs_unlink", fentry)

char LICENSE[] SEC("license") = "GPL";
