// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_calls.bpf.h"
#include <stdbool.h>
#include <bpf/usdt.bpf.h>

CALL("kprobe/vfs_unlink", kprobe, kprobe, 0)
CALL("kretprobe/vfs_unlink", kretprobe, kprobe, 0)
CALL("kprobe.multi/vfs_unlink", kprobe_multi, kprobe, 0)
CALL("kprobe.session/vfs_unlink", kprobe_session, kprobe, 0)
CALL("ksyscall/unlinkat", ksyscall, kprobe, 0)
CALL("uprobe//proc/self/exe:kassay_add", uprobe, kprobe, 0)
CALL("uprobe.multi//proc/self/exe:kassay_add", uprobe_multi, kprobe, 0)
CALL("usdt//proc/self/exe:kassay:add", usdt, kprobe, 0)
CALL("tracepoint/syscalls/sys_enter_execve", tracepoint, tracing, 0)
CALL("perf_event", perf_event, tracing, 0)
CALL("tp_btf/sched_process_exec", tp_btf, tracing, 0)
CALL("fentry/vfs_unlink", fentry, tracing, 0)
CALL("fexit/vfs_unlink", fexit, tracing, 0)
CALL("fmod_ret/security_inode_unlink", fmod_ret, tracing, 0)
CALL("lsm/inode_unlink", lsm, tracing, 0)
CALL("iter/task", iter, tracing, 0)
CALL("syscall", syscall, syscall, 0)

char LICENSE[] SEC("license") = "GPL";
