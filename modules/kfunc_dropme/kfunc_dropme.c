// SPDX-License-Identifier: GPL-2.0-only
#include "dropme_packet.h"
#include "foo_decode.h"
#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

/*
 * Decides by the rule of dropme_packet.h.
 *
 * For the verifier the argument is the program's context, and it lets nothing
 * else pass; what arrives is the socket buffer behind the context. There is
 * deliberately no size beside it: the verifier would not hold one against
 * anything, while the socket buffer knows its own.
 */
__bpf_kfunc int kfunc_tc_ingress_clsact_filter(struct __sk_buff *skb)
{
	const struct sk_buff *packet = (const struct sk_buff *)skb;
	struct dropme_span span;
	bool drop;

	if (!dropme_find(packet, &span) ||
	    foo_decode(packet, span.offset, span.len, &drop))
		return DROPME_ACCEPT;
	return drop ? DROPME_DROP : DROPME_ACCEPT;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_dropme_ids)
BTF_ID_FLAGS(func, kfunc_tc_ingress_clsact_filter)
BTF_KFUNCS_END(kfunc_dropme_ids)

MODULE_DESCRIPTION("A kfunc that drops the UDP datagrams which ask for it");
KASSAY_KFUNC_MODULE(kfunc_dropme_ids, BPF_PROG_TYPE_SCHED_CLS);
