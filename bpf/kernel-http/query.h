// Parameters of a query that rules ask for. They are fields whose names begin with a space, as no name of a head's field does.
#pragma once
#include "maps.h"
#include "route.h"

enum kh_query_state {
	KH_AT_NAME = 0,
	KH_AT_VALUE = 1,
	// Up to the next parameter nothing counts.
	KH_PASSED_OVER = 2,
};

struct kh_query_walk {
	struct sk_msg_md *msg;
	struct kh_field_key *key;
	// Bits of names that were there, and of parameters with a value that some rule asks for.
	__u64 seen;
	__u64 fields;
	__u32 at;
	__u32 end;
	__u32 state;
	// Of the name or of the value.
	__u32 length;
	__u32 reason;
};

static __always_inline __u64 kh_parameter_bit(const struct kh_field_key *key)
{
	__u32 *bit = bpf_map_lookup_elem(&kh_fields, key);

	return bit && *bit >= 1 && *bit <= 64 ? 1ull << ((*bit - 1) & 63) : 0;
}

static __always_inline void kh_begin_parameter(struct kh_query_walk *walk)
{
	__builtin_memset(walk->key->name, 0, sizeof(walk->key->name));
	__builtin_memset(walk->key->value, 0, sizeof(walk->key->value));
	walk->key->name[0] = ' ';
	walk->key->value_length = 0;
	walk->state = KH_AT_NAME;
	walk->length = 0;
}

// Of one that is there twice the first counts: that is for the proxy to say.
static __always_inline void kh_end_name(struct kh_query_walk *walk)
{
	__u64 bit;

	walk->key->name_length = walk->length + 1;
	bit = kh_parameter_bit(walk->key);
	if (bit & walk->seen)
		walk->reason = KH_RULE;
	walk->seen |= bit;
	walk->state = bit ? KH_AT_VALUE : KH_PASSED_OVER;
	walk->length = 0;
}

static long kh_on_parameter(__u32 index, struct kh_query_walk *walk)
{
	int is_over = walk->at >= walk->end;
	int byte = is_over ? '&' : kh_byte(walk->msg, walk->at);
	__u32 length = walk->length;

	walk->at++;
	if (byte == '&') {
		if (walk->state == KH_AT_NAME) {
			kh_end_name(walk);
		} else if (walk->state == KH_AT_VALUE) {
			walk->key->value_length = length;
			walk->fields |= kh_parameter_bit(walk->key);
		}
		kh_begin_parameter(walk);
		return is_over || walk->reason;
	}
	// Either may be written in another way.
	if (byte == '%' || byte == '+') {
		walk->reason = KH_RULE;
		return 1;
	}
	if (byte == '=' && walk->state == KH_AT_NAME) {
		kh_end_name(walk);
		return walk->reason != 0;
	}
	// A longer one is no rule's.
	if (walk->state == KH_AT_NAME && length < KH_NAME_BYTES - 1) {
		length = (length + 1) & (KH_NAME_BYTES - 1);
		asm volatile("" : "+r"(length));
		walk->key->name[length] = byte;
	} else if (walk->state == KH_AT_VALUE && length < KH_VALUE_BYTES) {
		length &= KH_VALUE_BYTES - 1;
		asm volatile("" : "+r"(length));
		walk->key->value[length] = byte;
	} else {
		walk->state = KH_PASSED_OVER;
	}
	walk->length++;
	return 0;
}

// Adds bits of the parameters that the table asks for.
static __noinline __u32 kh_read_query(struct kh_request *request, struct sk_msg_md *msg, struct kh_field_key *key, __u32 table)
{
	struct kh_query_walk walk = {.msg = msg, .key = key, .at = request->query, .end = request->target_end};

	key->table = table;
	kh_begin_parameter(&walk);
	bpf_loop(KH_MOST_QUERY + 1, kh_on_parameter, &walk, 0);
	request->fields |= walk.fields;
	return walk.reason;
}
