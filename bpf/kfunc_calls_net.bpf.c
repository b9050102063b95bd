// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pkt_cls.h>
#include "kfunc_calls.bpf.h"

/* From include/uapi/linux/bpf.h and netfilter.h, which older headers lack. */
#define TCX_NEXT -1
#define NF_ACCEPT 1

CALL("xdp.frags", xdp, xdp, XDP_PASS)
CALL("tcx/ingress", tcx_ingress, sched_cls, TCX_NEXT)
CALL("tcx/egress", tcx_egress, sched_cls, TCX_NEXT)
CALL("tc", tc, sched_cls, TC_ACT_UNSPEC)
CALL("tc/egress", tc_egress, sched_cls, TC_ACT_UNSPEC)
CALL("socket", socket, socket_filter, 0)
CALL("cgroup_skb/ingress", cgroup_skb_ingress, cgroup_skb, 1)
CALL("cgroup_skb/egress", cgroup_skb_egress, cgroup_skb, 1)
CALL("netfilter", netfilter, netfilter, NF_ACCEPT)
CALL("action", action, sched_act, TC_ACT_UNSPEC)
CALL("lwt_in", lwt_in, lwt, BPF_OK)
CALL("lwt_out", lwt_out, lwt, BPF_OK)
CALL("lwt_xmit", lwt_xmit, lwt, BPF_OK)

char LICENSE[] SEC("license") = "GPL";
