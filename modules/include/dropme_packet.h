/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the message of a packet lies, for the modules that decode it.
 *
 * The rule: a packet is dropped if all of this holds, and else accepted.
 *
 * 1. Its EtherType is IPv4, it has no VLAN tag, and it is not several datagrams
 *    in one buffer that wait to be segmented.
 * 2. The IP header says version 4, UDP, and neither an offset nor more fragments.
 *    Its length is at least 20 bytes, and the total length is at least that and
 *    no more than there is; what follows is the link layer's and is ignored.
 * 3. The UDP length is at least 8 bytes and no more than the IP packet has left.
 *    What follows within the packet is ignored.
 * 4. The payload begins with a length, a little-endian u32, and has at least as
 *    many bytes behind it. What follows within the datagram is ignored.
 * 5. These bytes are a message foo { bool drop = 1; } as prost decodes it, and
 *    drop is true.
 *
 * Nothing else counts: no address, port, checksum or IP option.
 */
#ifndef KASSAY_DROPME_PACKET_H
#define KASSAY_DROPME_PACKET_H

#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/ip.h>

#define DROPME_ACCEPT 0
#define DROPME_DROP (-1)

/* A stretch of the packet, held against skb->len before anything is read. */
struct dropme_span {
	u32 offset;
	u32 len;
};

/*
 * The payload of the IPv4 packet, without what the link layer may have padded
 * it with. The network header is used rather than skb->data because programs
 * at ingress see the packet from its link layer header on.
 */
static inline bool dropme_ipv4_payload(const struct sk_buff *skb,
				       struct dropme_span *payload)
{
	int offset = skb_network_offset(skb);
	const struct iphdr *iph;
	struct iphdr buf;
	u32 header_len, total_len;

	if (skb->protocol != htons(ETH_P_IP) || skb_vlan_tag_present(skb))
		return false;
	if (offset < 0 || offset > skb->len)
		return false;

	iph = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!iph || iph->version != 4 || iph->protocol != IPPROTO_UDP)
		return false;
	if (ip_is_fragment(iph))
		return false;

	header_len = iph->ihl * 4;
	total_len = ntohs(iph->tot_len);
	if (header_len < sizeof(*iph) || total_len < header_len ||
	    total_len > skb->len - offset)
		return false;

	payload->offset = offset + header_len;
	payload->len = total_len - header_len;
	return true;
}

static inline bool dropme_udp_payload(const struct sk_buff *skb,
				      struct dropme_span *payload)
{
	const struct udphdr *uh;
	struct udphdr buf;
	u32 len;

	if (payload->len < sizeof(buf))
		return false;
	uh = skb_header_pointer(skb, payload->offset, sizeof(buf), &buf);
	if (!uh)
		return false;

	len = ntohs(uh->len);
	if (len < sizeof(buf) || len > payload->len)
		return false;

	payload->offset += sizeof(buf);
	payload->len = len - sizeof(buf);
	return true;
}

/* What follows the message within the datagram is nobody's and is ignored. */
static inline bool dropme_message(const struct sk_buff *skb,
				  struct dropme_span *payload)
{
	__le32 prefix;
	u32 len;

	if (payload->len < sizeof(prefix) ||
	    skb_copy_bits(skb, payload->offset, &prefix, sizeof(prefix)))
		return false;

	len = le32_to_cpu(prefix);
	if (len > payload->len - sizeof(prefix))
		return false;

	payload->offset += sizeof(prefix);
	payload->len = len;
	return true;
}

/* Finds the message by the rule's first four points. */
static inline bool dropme_find(const struct sk_buff *skb,
			       struct dropme_span *message)
{
	return !skb_is_gso(skb) && dropme_ipv4_payload(skb, message) &&
	       dropme_udp_payload(skb, message) &&
	       dropme_message(skb, message);
}

#endif /* KASSAY_DROPME_PACKET_H */
