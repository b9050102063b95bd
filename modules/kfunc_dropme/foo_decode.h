/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decodes the protobuf message foo { bool drop = 1; } straight from a packet.
 *
 * The verdict is meant to equal that of an ordinary decoder, so the finer
 * points follow Rust's prost: a key has to fit 32 bits, a varint 64 bits, the
 * last occurrence of a field wins, and unknown fields are skipped, groups
 * included, down to a depth of FOO_MAX_DEPTH.
 */
#ifndef KASSAY_FOO_DECODE_H
#define KASSAY_FOO_DECODE_H

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <linux/types.h>

#define FOO_FIELD_DROP 1
#define FOO_MAX_DEPTH 100
#define FOO_VARINT_MAX_BYTES 10

enum foo_wire_type {
	FOO_WIRE_VARINT = 0,
	FOO_WIRE_64BIT = 1,
	FOO_WIRE_LENGTH_DELIMITED = 2,
	FOO_WIRE_START_GROUP = 3,
	FOO_WIRE_END_GROUP = 4,
	FOO_WIRE_32BIT = 5,
};

/*
 * The bytes of the packet from @pos up to @end. Those before @filled are in
 * @window, whose last byte is the one before @filled: a packet may be spread
 * over many fragments, and looking each byte up in them would cost far more
 * than copying a handful of bytes at a time.
 */
struct foo_cursor {
	const struct sk_buff *skb;
	u32 pos;
	u32 end;
	u32 filled;
	u32 window_len;
	u8 window[64];
};

static inline int foo_fill(struct foo_cursor *cur)
{
	u32 len = min_t(u32, cur->end - cur->pos, sizeof(cur->window));

	if (!len || skb_copy_bits(cur->skb, cur->pos, cur->window, len))
		return -EBADMSG;
	cur->filled = cur->pos + len;
	cur->window_len = len;
	return 0;
}

static inline int foo_read_byte(struct foo_cursor *cur, u8 *byte)
{
	if (cur->pos >= cur->filled && foo_fill(cur))
		return -EBADMSG;
	*byte = cur->window[cur->window_len - (cur->filled - cur->pos)];
	cur->pos++;
	return 0;
}

static inline int foo_skip(struct foo_cursor *cur, u64 len)
{
	if (len > cur->end - cur->pos)
		return -EBADMSG;
	cur->pos += len;
	return 0;
}

static inline int foo_read_varint(struct foo_cursor *cur, u64 *value)
{
	u32 i;
	u8 byte;

	*value = 0;
	for (i = 0; i < FOO_VARINT_MAX_BYTES; i++) {
		if (foo_read_byte(cur, &byte))
			return -EBADMSG;
		/* The tenth byte has room for the 64th bit alone. */
		if (i == FOO_VARINT_MAX_BYTES - 1 && byte > 1)
			return -EBADMSG;
		*value |= (u64)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return 0;
	}
	return -EBADMSG;
}

static inline int foo_read_key(struct foo_cursor *cur, u32 *field, u32 *wire)
{
	u64 key;

	if (foo_read_varint(cur, &key) || key > U32_MAX)
		return -EBADMSG;
	*field = key >> 3;
	*wire = key & 7;
	return *field ? 0 : -EBADMSG;
}

/* Skips the value of a field that is neither the start nor the end of a group. */
static inline int foo_skip_value(struct foo_cursor *cur, u32 wire)
{
	u64 value;

	switch (wire) {
	case FOO_WIRE_VARINT:
		return foo_read_varint(cur, &value);
	case FOO_WIRE_64BIT:
		return foo_skip(cur, sizeof(u64));
	case FOO_WIRE_32BIT:
		return foo_skip(cur, sizeof(u32));
	case FOO_WIRE_LENGTH_DELIMITED:
		if (foo_read_varint(cur, &value))
			return -EBADMSG;
		return foo_skip(cur, value);
	default:
		return -EBADMSG;
	}
}

/*
 * Skips a group up to the end marker of its own field number. Groups nest as
 * deep as the sender likes, hence the list of open ones instead of recursion.
 */
static inline int foo_skip_group(struct foo_cursor *cur, u32 field)
{
	u32 open[FOO_MAX_DEPTH];
	u32 depth = 0;
	u32 wire;

	open[depth++] = field;
	while (depth) {
		if (foo_read_key(cur, &field, &wire))
			return -EBADMSG;
		if (wire == FOO_WIRE_END_GROUP) {
			if (field != open[--depth])
				return -EBADMSG;
			continue;
		}
		/* No field of any kind may lie within the deepest group. */
		if (depth == FOO_MAX_DEPTH)
			return -EBADMSG;
		if (wire == FOO_WIRE_START_GROUP)
			open[depth++] = field;
		else if (foo_skip_value(cur, wire))
			return -EBADMSG;
	}
	return 0;
}

/*
 * Decodes the message that is the @len bytes of @skb from @offset on. Returns
 * 0 and sets @drop, or an error when the bytes are no such message.
 */
static inline int foo_decode(const struct sk_buff *skb, u32 offset, u32 len,
			     bool *drop)
{
	struct foo_cursor cur = {
		.skb = skb,
		.pos = offset,
		.end = offset + len,
	};
	u32 field, wire;
	u64 value;
	int err;

	*drop = false;
	while (cur.pos < cur.end) {
		if (foo_read_key(&cur, &field, &wire))
			return -EBADMSG;

		if (field == FOO_FIELD_DROP) {
			if (wire != FOO_WIRE_VARINT)
				return -EBADMSG;
			err = foo_read_varint(&cur, &value);
			*drop = value;
		} else if (wire == FOO_WIRE_START_GROUP) {
			err = foo_skip_group(&cur, field);
		} else {
			err = foo_skip_value(&cur, wire);
		}
		if (err)
			return err;
	}
	return 0;
}

#endif /* KASSAY_FOO_DECODE_H */
