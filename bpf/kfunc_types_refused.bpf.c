// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_types.bpf.h"

/* Nothing can be registered for these types, and what is for another is not theirs. */
CALLS_OTHER("sk_msg", sk_msg, sk_skb)
CALLS_OTHER("sk_lookup", sk_lookup, socket_filter)
CALLS_OTHER("sk_reuseport", sk_reuseport, socket_filter)
CALLS_OTHER("flow_dissector", flow_dissector, sched_cls)
/* Nor for these up to 6.14. */
CALLS_OTHER("sockops", sockops, cgroup_skb)
CALLS_OTHER("raw_tp", raw_tp, tracing)

char LICENSE[] SEC("license") = "GPL";
