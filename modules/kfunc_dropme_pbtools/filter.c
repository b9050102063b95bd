// SPDX-License-Identifier: GPL-2.0-only
#include <linux/spinlock.h>

#include "dropme.h"
#include "dropme_packet.h"
#include "kassay_kfunc.h"

/*
 * The decoder wants the whole message in one piece. No IPv4 packet is longer
 * than this. One packet at a time: they come in softirqs, on any CPU.
 */
static u8 dropme_piece[IP_MAX_MTU];
static DEFINE_SPINLOCK(dropme_piece_lock);

/*
 * Decodes with what pbtools generates. Its decoder holds each length against
 * the size that it is given, does not recurse, and takes the memory for the
 * decoded message, and no more, from @workspace.
 */
static int dropme_decode(const u8 *message, u32 len, bool *drop)
{
	u8 workspace[sizeof(struct pbtools_heap_t) +
		     sizeof(struct dropme_foo_t)]
		__aligned(__alignof__(struct dropme_foo_t));
	struct dropme_foo_t *foo;

	foo = dropme_foo_new(workspace, sizeof(workspace));
	if (!foo)
		return -ENOMEM;
	if (dropme_foo_decode(foo, message, len) < 0)
		return -EBADMSG;
	*drop = foo->drop;
	return 0;
}

__bpf_kfunc_start_defs();

/*
 * Decides by the rule of dropme_packet.h, but that pbtools decodes the message.
 * It decides otherwise than prost on
 *
 *  - groups, which it refuses;
 *  - keys of more than 32 bits and numbers of more than 64, which it cuts off;
 *  - a drop whose lower 32 bits are 0, which it takes for false.
 */
__bpf_kfunc int kfunc_dropme_pbtools(struct __sk_buff *skb)
{
	const struct sk_buff *packet = (const struct sk_buff *)skb;
	struct dropme_span span;
	const u8 *message;
	bool drop = false;
	int err = -EBADMSG;

	if (!dropme_find(packet, &span) || span.len > sizeof(dropme_piece))
		return DROPME_ACCEPT;

	spin_lock_bh(&dropme_piece_lock);
	/* What lies in one piece already is not copied. */
	message = skb_header_pointer(packet, span.offset, span.len,
				     dropme_piece);
	if (message)
		err = dropme_decode(message, span.len, &drop);
	spin_unlock_bh(&dropme_piece_lock);
	return !err && drop ? DROPME_DROP : DROPME_ACCEPT;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_dropme_pbtools_ids)
BTF_ID_FLAGS(func, kfunc_dropme_pbtools)
BTF_KFUNCS_END(kfunc_dropme_pbtools_ids)

MODULE_DESCRIPTION("A kfunc that drops datagrams by a generated decoder");
KASSAY_KFUNC_MODULE(kfunc_dropme_pbtools_ids, BPF_PROG_TYPE_SCHED_CLS);
