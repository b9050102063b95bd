// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>
#include <linux/string.h>
#include <net/xdp.h>

#include "kassay_kfunc.h"

__bpf_kfunc_start_defs();

__bpf_kfunc int bpf_plant_packet_length(struct xdp_md *ctx)
{
	const struct xdp_buff *xdp = (void *)ctx;
	const u8 *data = xdp->data;
	u32 length;

	if (xdp->data_end - xdp->data < 18)
		return -EINVAL;
	memcpy(&length, data + 14, sizeof(length));
	/* The packet says where its own end is. */
	return READ_ONCE(data[18 + length]);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(packet_length_ids)
BTF_ID_FLAGS(func, bpf_plant_packet_length)
BTF_KFUNCS_END(packet_length_ids)

MODULE_DESCRIPTION("A kfunc that believes a packet's length");
KASSAY_KFUNC_MODULE(packet_length_ids, BPF_PROG_TYPE_XDP);
