// SPDX-License-Identifier: GPL-2.0-only
#include <net/sock.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

/* The sum where the socket is a UDP one, which shows that it arrived. */
__bpf_kfunc int bpf_kfunc_call_test2(struct sock *sk, u32 a, u32 b)
{
	if (!sk_fullsock(sk) || sk->sk_protocol != IPPROTO_UDP)
		return -EINVAL;
	return a + b;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_call_test2_ids)
BTF_ID_FLAGS(func, bpf_kfunc_call_test2)
BTF_KFUNCS_END(kfunc_call_test2_ids)

MODULE_DESCRIPTION("A kfunc that takes a socket and two numbers");
KASSAY_KFUNC_MODULE(kfunc_call_test2_ids, BPF_PROG_TYPE_SCHED_CLS);
