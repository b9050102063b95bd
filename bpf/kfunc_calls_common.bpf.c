// SPDX-License-Identifier: GPL-2.0-only
#include "kfunc_calls.bpf.h"

/* Types that have no kfuncs of their own, or none for long, and those for all. */
CALL("raw_tp/sched_process_exec", raw_tp, common, 0)
CALL("sk_lookup", sk_lookup, common, SK_PASS)
CALL("sk_reuseport", sk_reuseport, common, SK_PASS)
CALL("flow_dissector", flow_dissector, common, BPF_OK)

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} sockets SEC(".maps");

extern int bpf_for_common(void) __ksym;

int in_sockops = -1;

/* The socket that connects is in the map. */
SEC("sockops")
int call_sockops(struct bpf_sock_ops *ops)
{
	__u32 first = 0;

	in_sockops = bpf_for_common();
	if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		bpf_sock_map_update(ops, &sockets, &first, BPF_ANY);
	return 1;
}

CALL("sk_msg", sk_msg, common, SK_PASS)

char LICENSE[] SEC("license") = "GPL";
