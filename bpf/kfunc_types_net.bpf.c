// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_types.bpf.h"

CALLS("tc", sched_cls, sched_cls)
CALLS("action", sched_act, sched_act)
CALLS("xdp", xdp, xdp)
CALLS("socket", socket_filter, socket_filter)
CALLS("cgroup_skb/egress", cgroup_skb, cgroup_skb)
CALLS("sk_skb/stream_parser", sk_skb, sk_skb)
CALLS("netfilter", netfilter, netfilter)
CALLS("lwt_in", lwt, lwt)
CALLS("lwt_seg6local", lwt_seg6local, lwt)
CALLS_OTHER("tc", sched_cls, sched_act)
CALLS_OTHER("xdp", xdp, sched_cls)
CALLS_OTHER("socket", socket_filter, cgroup_skb)
CALLS_OTHER("netfilter", netfilter, xdp)

char LICENSE[] SEC("license") = "GPL";
