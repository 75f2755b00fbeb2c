// Reads the head of a message (RFC 9112) where it lies, eight bytes at a time. Whatever is unusual gets a reason and no
// answer: two readers must not be able to read one head in two ways.
//
// bpf_loop() makes a call for each turn, and calls are dear where the processor must not guess where a function returns to. So a
// turn does much, and what it needs is inlined.
#pragma once
#include "types.h"
#include <bpf/bpf_helpers.h>

// Longest head.
#define KH_HEAD_BYTES 8192
#define KH_OFFSET_MASK (2 * KH_HEAD_BYTES - 1)
// Fields of a head that a table asks for.
#define KH_WANTED 4

#define KH_EACH(byte) (0x0101010101010101ull * (byte))
#define KH_HIGH KH_EACH(0x80)
#define KH_W4(a, b, c, d) ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24)
#define KH_W8(a, b, c, d, e, f, g, h) (KH_W4(a, b, c, d) | KH_W4(e, f, g, h) << 32)

struct kh_wanted {
	__u16 at;
	__u16 name_length;
	__u16 end;
};

struct kh_scan {
	// Lengths of names that the table asks for.
	__u64 name_lengths;
	// Where the next piece begins, and the line that it is of.
	__u32 at;
	__u32 line;
	// End of the first line; 0 before that.
	__u32 first_end;
	// Of the head; 0 while it is not found.
	__u32 end;
	// Content-Length.
	__u32 length;
	__u32 reason;
	__u32 host_at;
	__u32 host_end;
	__u32 wanted_count;
	struct kh_wanted wanted[KH_WANTED];
	__u8 is_response;
	__u8 has_length;
	__u8 hosts;
	__u8 zero;
};

static __always_inline struct kh_scan kh_scan_of(const struct kh_socket *socket)
{
	__u32 nothing = *(volatile __u32 *)&socket->nothing;
	struct kh_scan scan = {};

	scan.at = nothing;
	scan.line = nothing;
	scan.first_end = nothing;
	scan.end = nothing;
	scan.length = nothing;
	scan.host_at = nothing;
	scan.host_end = nothing;
	scan.wanted_count = nothing;
	scan.has_length = nothing;
	scan.hosts = nothing;
	return scan;
}

// clang must not believe that it knows better than a mask.
static __always_inline __u32 kh_bounded(__u32 offset)
{
	offset &= KH_OFFSET_MASK;
	asm volatile("" : "+r"(offset));
	return offset;
}

// Index of the first byte whose highest bit is set; `marks` has nothing but such bits, and at least one.
static __always_inline __u32 kh_first(__u64 marks)
{
	return ((((marks & -marks) - 1) & KH_EACH(1)) * KH_EACH(1) >> 56) - 1;
}

// Marks bytes that are zero; exact up to the first of them.
static __always_inline __u64 kh_zeros(__u64 word)
{
	return (word - KH_EACH(1)) & ~word & KH_HIGH;
}

static __always_inline int kh_load(struct sk_msg_md *msg, __u32 offset, __u64 *word)
{
	void *data = (void *)(long)msg->data;
	void *end = (void *)(long)msg->data_end;
	void *place = data + kh_bounded(offset);

	if (place + 8 > end)
		return 0;
	__builtin_memcpy(word, place, 8);
	return 1;
}

static __always_inline int kh_byte(struct sk_msg_md *msg, __u32 offset)
{
	void *data = (void *)(long)msg->data;
	void *end = (void *)(long)msg->data_end;
	__u8 *place = data + kh_bounded(offset);

	if ((void *)(place + 1) > end)
		return -1;
	return *place;
}

// Digits up to the end of the line, and nothing else.
static __always_inline __u32 kh_read_length(struct sk_msg_md *msg, struct kh_scan *scan, __u32 at, __u32 end)
{
	__u32 value = 0;

	if (scan->has_length || at >= end)
		return KH_LENGTH;
	if (end - at > 7)
		return KH_LARGE;
	for (int i = 0; i < 7; i++) {
		int byte;

		if (at + i >= end)
			break;
		byte = kh_byte(msg, at + i);
		if (byte < '0' || byte > '9')
			return KH_LENGTH;
		value = value * 10 + (byte - '0');
	}
	scan->length = value;
	scan->has_length = 1;
	return 0;
}

// keep-alive, in any case.
static __always_inline __u32 kh_read_connection(struct sk_msg_md *msg, __u32 at, __u32 end)
{
	__u64 first, last;

	if (end - at != 10 || !kh_load(msg, at, &first) || !kh_load(msg, at + 2, &last))
		return KH_CONNECTION;
	if ((first | KH_EACH(0x20)) != KH_W8('k', 'e', 'e', 'p', '-', 'a', 'l', 'i') ||
	    (last | KH_EACH(0x20)) != KH_W8('e', 'p', '-', 'a', 'l', 'i', 'v', 'e'))
		return KH_CONNECTION;
	return 0;
}

// Fields that say how a message ends, or what becomes of its connection.
static __always_inline __u32 kh_known_field(struct sk_msg_md *msg, struct kh_scan *scan, __u32 length, __u64 first,
					    __u64 last, __u32 value, __u32 end)
{
	switch (length) {
	case 2:
		if ((first & 0xffff) == ('t' | 'e' << 8) && !scan->is_response)
			return KH_CONNECTION;
		break;
	case 4:
		if ((__u32)first == (__u32)KH_W4('h', 'o', 's', 't')) {
			scan->hosts++;
			scan->host_at = value;
			scan->host_end = end;
		}
		break;
	case 6:
		if ((first & 0xffffffffffffull) == (KH_W4('e', 'x', 'p', 'e') | KH_W4('c', 't', 0, 0) << 32))
			return KH_EXPECT;
		break;
	case 7:
		first &= 0xffffffffffffffull;
		if (first == (KH_W4('u', 'p', 'g', 'r') | KH_W4('a', 'd', 'e', 0) << 32))
			return KH_UPGRADE;
		if (first == (KH_W4('t', 'r', 'a', 'i') | KH_W4('l', 'e', 'r', 0) << 32))
			return KH_CODED;
		break;
	case 10:
		if (first == KH_W8('c', 'o', 'n', 'n', 'e', 'c', 't', 'i') && last == KH_W8('n', 'n', 'e', 'c', 't', 'i', 'o', 'n'))
			return kh_read_connection(msg, value, end);
		if (first == KH_W8('k', 'e', 'e', 'p', '-', 'a', 'l', 'i') && !scan->is_response)
			return KH_CONNECTION;
		break;
	case 12:
		// Counted by the proxy.
		if (first == KH_W8('m', 'a', 'x', '-', 'f', 'o', 'r', 'w') && last == KH_W8('f', 'o', 'r', 'w', 'a', 'r', 'd', 's') &&
		    !scan->is_response)
			return KH_METHOD;
		break;
	case 14:
		if (first == KH_W8('c', 'o', 'n', 't', 'e', 'n', 't', '-') && last == KH_W8('t', '-', 'l', 'e', 'n', 'g', 't', 'h'))
			return kh_read_length(msg, scan, value, end);
		if (first == KH_W8('h', 't', 't', 'p', '2', '-', 's', 'e'))
			return KH_UPGRADE;
		break;
	case 16:
		if (first == KH_W8('p', 'r', 'o', 'x', 'y', '-', 'c', 'o'))
			return KH_CONNECTION;
		break;
	case 17:
		if (first == KH_W8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') && last == KH_W8('e', 'n', 'c', 'o', 'd', 'i', 'n', 'g'))
			return KH_CODED;
		break;
	}
	return 0;
}

// Length of the name of the field in [at, end), which a colon ends; 0 for a line that is none.
static __always_inline __u32 kh_name_length(struct sk_msg_md *msg, __u32 at, __u32 end)
{
	void *place = (void *)(long)msg->data + kh_bounded(at);
	void *data_end = (void *)(long)msg->data_end;

	for (__u32 i = 0; i < 64; i += 8) {
		__u64 word, colons, marks;
		__u32 length;

		if (place + i + 8 > data_end)
			return 0;
		word = *(__u64 *)(place + i);
		colons = kh_zeros(word ^ KH_EACH(':'));
		marks = colons | kh_zeros(word ^ KH_EACH(' '));
		if (!marks)
			continue;
		if ((marks & -marks) != (colons & -colons))
			return 0;
		length = i + kh_first(marks);
		return at + length < end ? length : 0;
	}
	return 0;
}

static __always_inline __u32 kh_read_field(struct sk_msg_md *msg, struct kh_scan *scan, __u32 at, __u32 end)
{
	__u32 length = kh_name_length(msg, at, end);
	__u32 value = at + length + 1;
	__u64 first, last;

	if (length == 0 || !kh_load(msg, at, &first) || !kh_load(msg, length < 8 ? at : at + length - 8, &last))
		return KH_FIELD;
	// Spaces before the value; more than two are unusual.
	if (value < end && kh_byte(msg, value) == ' ')
		value++;
	if (value < end && kh_byte(msg, value) == ' ')
		value++;
	if (scan->name_lengths & (1ull << (length & 63))) {
		__u32 index = scan->wanted_count;

		if (index >= KH_WANTED)
			return KH_RULE;
		scan->wanted[index & (KH_WANTED - 1)].at = at;
		scan->wanted[index & (KH_WANTED - 1)].name_length = length;
		scan->wanted[index & (KH_WANTED - 1)].end = end;
		scan->wanted_count = index + 1;
	}
	return kh_known_field(msg, scan, length, first | KH_EACH(0x20), last | KH_EACH(0x20), value, end);
}

// Where the next byte is that no head has but at the end of a line; at most 64 further on. Stays below the end.
static __always_inline int kh_find_control(struct sk_msg_md *msg, struct kh_scan *scan, __u32 *found)
{
	void *place = (void *)(long)msg->data + kh_bounded(scan->at);
	void *end = (void *)(long)msg->data_end;
	__u32 at = scan->at;

#pragma unroll
	for (int i = 0; i < 8; i++, place += 8, at += 8) {
		__u64 word, marks;

		if (place + 8 > end)
			goto bytes;
		word = *(__u64 *)place;
		marks = ((word - KH_EACH(0x20)) | word) & KH_HIGH;
		if (!marks)
			continue;
		if (word & KH_HIGH)
			goto unusual;
		*found = at + kh_first(marks);
		return 1;
	}
	scan->at = at;
	return 0;
bytes:
	for (int i = 0; i < 8; i++) {
		int byte = kh_byte(msg, at);

		if (byte < 0) {
			scan->reason = KH_HEAD_SPLIT;
			return -1;
		}
		if (byte >= 0x80)
			goto unusual;
		if (byte < 0x20) {
			*found = at;
			return 1;
		}
		at++;
	}
unusual:
	scan->reason = KH_FIELD;
	return -1;
}

struct kh_pieces {
	struct sk_msg_md *msg;
	struct kh_scan *scan;
};

static long kh_on_piece(__u32 index, struct kh_pieces *pieces)
{
	struct sk_msg_md *msg = pieces->msg;
	struct kh_scan *scan = pieces->scan;
	__u32 found = 0, line = scan->line, reason = 0;
	int result = kh_find_control(msg, scan, &found);
	__u8 *place;

	if (result <= 0)
		return result < 0;
	place = (void *)(long)msg->data + kh_bounded(found);
	if ((void *)(place + 2) > (void *)(long)msg->data_end) {
		scan->reason = KH_HEAD_SPLIT;
		return 1;
	}
	if (place[0] != '\r' || place[1] != '\n') {
		scan->reason = KH_FIELD;
		return 1;
	}
	scan->at = found + 2;
	scan->line = found + 2;
	if (found == line) {
		scan->end = found + 2;
		if (!scan->first_end)
			scan->reason = KH_NOT_HTTP;
		return 1;
	}
	if (!scan->first_end) {
		scan->first_end = found;
		return 0;
	}
	reason = kh_read_field(msg, scan, line, found);
	if (!reason)
		return 0;
	scan->reason = reason;
	return 1;
}

// Fills in what the head says, or a reason, which is returned. Not static: verified once, whatever its callers have found out
// before.
__noinline __u32 kh_scan_head(struct sk_msg_md *msg, struct kh_scan *scan)
{
	__u32 size = msg->size;
	__u32 head = size < KH_HEAD_BYTES ? size : KH_HEAD_BYTES;
	void *data = (void *)(long)msg->data;
	void *end = (void *)(long)msg->data_end;
	struct kh_pieces pieces = {.msg = msg, .scan = scan};

	if (!scan)
		return KH_FIELD;
	// Pages that the program can still write to are copied by this, too.
	if (data + head > end && bpf_msg_pull_data(msg, 0, head, 0) < 0)
		return KH_HEAD_SPLIT;
	bpf_loop(KH_HEAD_BYTES / 16, kh_on_piece, &pieces, 0);
	if (scan->reason)
		return scan->reason;
	if (!scan->end)
		return size < KH_HEAD_BYTES ? KH_HEAD_SPLIT : KH_HEAD_LARGE;
	return scan->end > KH_HEAD_BYTES ? KH_HEAD_LARGE : 0;
}
