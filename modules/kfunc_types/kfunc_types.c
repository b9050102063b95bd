// SPDX-License-Identifier: GPL-2.0-only
#include "kassay_kfunc.h"

/* A kfunc for the programs of a type, which returns the number of that type. */
#define KFUNC_FOR(name, type)						\
__bpf_kfunc_start_defs();						\
									\
__bpf_kfunc int bpf_for_##name(void)					\
{									\
	return type;							\
}									\
									\
__bpf_kfunc_end_defs();							\
									\
BTF_KFUNCS_START(ids_for_##name)					\
BTF_ID_FLAGS(func, bpf_for_##name)					\
BTF_KFUNCS_END(ids_for_##name)						\
									\
static const struct btf_kfunc_id_set set_for_##name = {			\
	.owner = THIS_MODULE,						\
	.set = &ids_for_##name,						\
}

/* What a kernel does not know, it registers nothing for. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define BPF_PROG_TYPE_NETFILTER 32
#endif

KFUNC_FOR(common, BPF_PROG_TYPE_UNSPEC);
KFUNC_FOR(kprobe, BPF_PROG_TYPE_KPROBE);
KFUNC_FOR(tracing, BPF_PROG_TYPE_TRACING);
KFUNC_FOR(sched_cls, BPF_PROG_TYPE_SCHED_CLS);
KFUNC_FOR(sched_act, BPF_PROG_TYPE_SCHED_ACT);
KFUNC_FOR(xdp, BPF_PROG_TYPE_XDP);
KFUNC_FOR(syscall, BPF_PROG_TYPE_SYSCALL);
KFUNC_FOR(struct_ops, BPF_PROG_TYPE_STRUCT_OPS);
KFUNC_FOR(socket_filter, BPF_PROG_TYPE_SOCKET_FILTER);
KFUNC_FOR(cgroup_skb, BPF_PROG_TYPE_CGROUP_SKB);
KFUNC_FOR(sk_skb, BPF_PROG_TYPE_SK_SKB);
KFUNC_FOR(netfilter, BPF_PROG_TYPE_NETFILTER);
KFUNC_FOR(lwt, BPF_PROG_TYPE_LWT_IN);

/*
 * Types share what is registered for one of them: LSM, TRACEPOINT and
 * PERF_EVENT that of TRACING, and those of cgroups that of CGROUP_SKB.
 */
static const struct {
	const char *name;
	enum bpf_prog_type type;
	const struct btf_kfunc_id_set *set;
} types[] = {
	{ "common", BPF_PROG_TYPE_UNSPEC, &set_for_common },
	{ "kprobe", BPF_PROG_TYPE_KPROBE, &set_for_kprobe },
	{ "tracing", BPF_PROG_TYPE_TRACING, &set_for_tracing },
	{ "sched_cls", BPF_PROG_TYPE_SCHED_CLS, &set_for_sched_cls },
	{ "sched_act", BPF_PROG_TYPE_SCHED_ACT, &set_for_sched_act },
	{ "xdp", BPF_PROG_TYPE_XDP, &set_for_xdp },
	{ "syscall", BPF_PROG_TYPE_SYSCALL, &set_for_syscall },
	{ "struct_ops", BPF_PROG_TYPE_STRUCT_OPS, &set_for_struct_ops },
	{ "socket_filter", BPF_PROG_TYPE_SOCKET_FILTER,
	  &set_for_socket_filter },
	{ "cgroup_skb", BPF_PROG_TYPE_CGROUP_SKB, &set_for_cgroup_skb },
	{ "sk_skb", BPF_PROG_TYPE_SK_SKB, &set_for_sk_skb },
	{ "netfilter", BPF_PROG_TYPE_NETFILTER, &set_for_netfilter },
	{ "lwt", BPF_PROG_TYPE_LWT_IN, &set_for_lwt },
};

static int __init kfunc_types_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		pr_info("kfunc_types: registered for %s: %d\n", types[i].name,
			kassay_register_kfuncs(types[i].type, types[i].set));
	return 0;
}

static void __exit kfunc_types_exit(void)
{
}

module_init(kfunc_types_init);
module_exit(kfunc_types_exit);

MODULE_DESCRIPTION("kfuncs for one type of program each");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
