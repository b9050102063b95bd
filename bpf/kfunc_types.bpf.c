// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_types.bpf.h"

CALLS("kprobe/vfs_unlink", kprobe, kprobe)
CALLS("fentry/vfs_unlink", tracing, tracing)
CALLS("lsm/file_open", lsm, tracing)
CALLS("syscall", syscall, syscall)
CALLS_OTHER("kprobe/vfs_unlink", kprobe, tracing)
CALLS_OTHER("fentry/vfs_unlink", tracing, kprobe)
CALLS_OTHER("syscall", syscall, tracing)

char LICENSE[] SEC("license") = "GPL";
