// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_calls.bpf.h"

/* Types of cgroups that have the kfuncs of CGROUP_SKB since 6.12. 1 allows. */
CALL("cgroup/sock_create", sock, cgroup_skb, 1)
CALL("cgroup/setsockopt", sockopt, cgroup_skb, 1)
CALL("cgroup/sysctl", sysctl, cgroup_skb, 1)
CALL("cgroup/dev", device, cgroup_skb, 1)

char LICENSE[] SEC("license") = "GPL";
