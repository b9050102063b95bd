// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_types.bpf.h"

CALLS("kprobe/do_unlinkat", kprobe, kprobe)
CALLS("fentry/do_unlinkat", tracing, tracing)
CALLS("lsm/file_open", lsm, tracing)
CALLS("syscall", syscall, syscall)
CALLS_OTHER("kprobe/do_unlinkat", kprobe, tracing)
CALLS_OTHER("fentry/do_unlinkat", tracing, kprobe)
CALLS_OTHER("syscall", syscall, tracing)

char LICENSE[] SEC("license") = "GPL";
