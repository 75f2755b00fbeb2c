// Where a request leads: its first line, its host, and the rules of its path.
#pragma once
#include "maps.h"
#include "scan.h"

#define KH_MOST_QUERY 4096
// Rules that are looked at for one path.
#define KH_MOST_CANDIDATES 16

struct kh_request {
	__u32 method;
	__u32 has_query;
	// Where the target begins, and the byte after it.
	__u32 target;
	__u32 target_end;
	// Where the query begins.
	__u32 query;
	__u32 reason;
	__u32 path_length;
	// Segments of the longest prefix that may hold.
	__u32 depth;
	__u32 pool;
	__u32 count;
	__u64 fields;
	// Of all of the path.
	__u64 hash;
};

// FNV-1a.
#define KH_HASH_BEGIN 0xcbf29ce484222325ull
#define KH_HASH_PRIME 0x100000001b3ull

struct kh_walk {
	struct sk_msg_md *msg;
	// Where the hash of what is before a slash goes, by the number of slashes before it.
	__u64 *hashes;
	__u64 hash;
	__u32 at;
	__u32 end;
	__u32 count;
	__u32 depth;
	__u32 last;
	__u32 reason;
	__u32 has_query;
	__u32 zero;
};

static __always_inline void kh_ends_segment(struct kh_walk *walk)
{
	__u32 depth = walk->depth;

	if (depth <= KH_MOST_DEPTH)
		walk->hashes[depth] = walk->hash;
	walk->depth = depth + 1;
}

// Marks bytes that mean something in a target, or may not be in one; exact up to the first of them.
static __always_inline __u64 kh_special(__u64 word)
{
	return kh_zeros(word ^ KH_EACH('/')) | kh_zeros(word ^ KH_EACH('.')) | kh_zeros(word ^ KH_EACH('?')) |
	       kh_zeros(word ^ KH_EACH(' ')) | kh_zeros(word ^ KH_EACH('%')) | kh_zeros(word ^ KH_EACH('#')) |
	       kh_zeros(word ^ KH_EACH('\\')) | kh_zeros(word ^ KH_EACH(0x7f));
}

// All ones where a is less than b. Without a branch, which the verifier would follow both ways each time.
static __always_inline __u64 kh_if_less(__u64 a, __u64 b)
{
	__s64 mask = (__s64)(a - b) >> 63;

	asm volatile("" : "+r"(mask));
	return mask;
}

// Bytes of the path that are nothing but a part of it, at most eight at once.
static __always_inline void kh_plain_bytes(struct kh_walk *walk)
{
	__u64 word, marks, hash = walk->hash, plain = 8, left = walk->end - walk->at;

	if (!kh_load(walk->msg, walk->at, &word))
		return;
	marks = kh_special(word);
	if (marks)
		plain = kh_first(marks);
	if (plain > left)
		plain = left;
#pragma unroll
	for (__u64 i = 0; i < 8; i++, word >>= 8) {
		__u64 mask = kh_if_less(i, plain);

		hash = ((hash ^ (word & 0xff)) * KH_HASH_PRIME & mask) | (hash & ~mask);
	}
	walk->hash = hash;
	walk->at += plain;
	walk->count += plain;
	if (plain)
		walk->last = 0;
}

// The next part of the path, and the byte behind it. What normalising would change goes to whoever normalises.
static long kh_on_path(__u32 index, struct kh_walk *walk)
{
	__u32 count;
	int byte;

	if (walk->at < walk->end)
		kh_plain_bytes(walk);
	count = walk->count;
	if (walk->at >= walk->end)
		return 1;
	byte = kh_byte(walk->msg, walk->at);
	walk->at++;
	switch (byte) {
	case '?':
		walk->has_query = 1;
		return 1;
	case -1:
	case ' ':
	case '%':
	case '#':
	case '\\':
	case 0x7f:
		walk->reason = KH_TARGET;
		return 1;
	case '/':
	case '.':
		if (walk->last == '/') {
			walk->reason = KH_TARGET;
			return 1;
		}
		if (byte == '/')
			kh_ends_segment(walk);
	}
	if (count >= KH_PATH_BYTES) {
		walk->reason = KH_TARGET;
		return 1;
	}
	walk->hash = (walk->hash ^ (__u64)byte) * KH_HASH_PRIME;
	walk->last = byte;
	walk->count = count + 1;
	return 0;
}

static long kh_on_query(__u32 index, struct kh_walk *walk)
{
	int byte;

	if (walk->at >= walk->end)
		return 1;
	byte = kh_byte(walk->msg, walk->at);
	walk->at++;
	if (byte > ' ' && byte != '#' && byte != 0x7f)
		return 0;
	walk->reason = KH_TARGET;
	return 1;
}

// Hashes the path, up to the byte that ends it. Not static: verified once, whatever its caller has found out before.
__noinline __u32 kh_read_path(struct sk_msg_md *msg, struct kh_request *request, struct kh_socket *socket)
{
	struct kh_walk walk = {.msg = msg};
	__u32 count, nothing;

	if (!request || !socket)
		return KH_TARGET;
	nothing = *(volatile __u32 *)&socket->nothing;
	walk.hashes = socket->hashes;
	walk.end = request->target_end;
	walk.hash = KH_HASH_BEGIN + nothing;
	walk.at = request->target + nothing;
	walk.count = nothing;
	walk.depth = nothing;
	walk.last = nothing;

	if (kh_byte(msg, walk.at) != '/')
		return KH_TARGET;
	bpf_loop(KH_PATH_BYTES + 1, kh_on_path, &walk, 0);
	if (walk.reason)
		return walk.reason;
	if (walk.has_query) {
		request->has_query = 1;
		request->query = walk.at;
		bpf_loop(KH_MOST_QUERY, kh_on_query, &walk, 0);
		if (walk.reason)
			return walk.reason;
	}
	if (walk.at < walk.end)
		return KH_TARGET;
	count = walk.count;
	if (count == 0 || count > KH_PATH_BYTES)
		return KH_TARGET;
	request->path_length = count;
	request->hash = walk.hash;
	// A prefix ends where a segment does: with a slash, or with the path.
	if (walk.last != '/')
		kh_ends_segment(&walk);
	if (walk.depth > KH_MOST_DEPTH + 1)
		return KH_TARGET;
	request->depth = walk.depth - 1;
	return 0;
}

static __always_inline __u32 kh_read_first_line(struct sk_msg_md *msg, struct kh_request *request, struct kh_scan *scan)
{
	__u32 end = scan->first_end;
	__u64 word, version;

	if (end < 14 || !kh_load(msg, 0, &word) || !kh_load(msg, end - 8, &version))
		return KH_NOT_HTTP;
	if (version != KH_W8('H', 'T', 'T', 'P', '/', '1', '.', '1') || kh_byte(msg, end - 9) != ' ')
		return KH_VERSION;
	request->target_end = end - 9;
	if ((__u32)word == (__u32)KH_W4('G', 'E', 'T', ' ')) {
		request->method = KH_GET;
		request->target = 4;
	} else if ((__u32)word == (__u32)KH_W4('P', 'O', 'S', 'T')) {
		request->method = KH_POST;
		request->target = 5;
	} else if ((__u32)word == (__u32)KH_W4('P', 'U', 'T', ' ')) {
		request->method = KH_PUT;
		request->target = 4;
	} else if ((__u32)word == (__u32)KH_W4('H', 'E', 'A', 'D')) {
		request->method = KH_HEAD;
		request->target = 5;
	} else if (word == KH_W8('D', 'E', 'L', 'E', 'T', 'E', ' ', '/')) {
		request->method = KH_DELETE;
		request->target = 7;
	} else if (word == KH_W8('O', 'P', 'T', 'I', 'O', 'N', 'S', ' ')) {
		request->method = KH_OPTIONS;
		request->target = 8;
	} else if ((word & 0xffffffffffffull) == (KH_W4('P', 'A', 'T', 'C') | KH_W4('H', ' ', 0, 0) << 32)) {
		request->method = KH_PATCH;
		request->target = 6;
	} else {
		return KH_METHOD;
	}
	return kh_byte(msg, request->target - 1) == ' ' ? 0 : KH_METHOD;
}

struct kh_copy {
	struct sk_msg_md *msg;
	__u8 *to;
	__u32 at;
	__u32 length;
	__u32 mask;
	__u32 is_name;
};

static long kh_on_copy(__u32 index, struct kh_copy *copy)
{
	int byte;

	if (index >= copy->length || index >= KH_VALUE_BYTES)
		return 1;
	byte = kh_byte(copy->msg, copy->at + index);
	if (copy->is_name && byte >= 'A' && byte <= 'Z')
		byte |= 0x20;
	copy->to[index] = byte;
	return 0;
}

// Bits of the fields that the table asks for.
static __noinline __u32 kh_read_fields(struct sk_msg_md *msg, struct kh_scan *scan, struct kh_field_key *key, __u32 table,
				    __u64 *fields)
{
	__u64 seen = 0;

	for (int i = 0; i < KH_WANTED; i++) {
		struct kh_wanted wanted = scan->wanted[i];
		struct kh_copy copy = {.msg = msg, .to = key->name, .at = wanted.at, .length = wanted.name_length, .is_name = 1};
		__u32 value = wanted.at + wanted.name_length + 1, *bit;

		if ((__u32)i >= scan->wanted_count)
			break;
		if (wanted.name_length > KH_NAME_BYTES)
			continue;
		__builtin_memset(key, 0, sizeof(*key));
		key->table = table;
		key->name_length = wanted.name_length;
		bpf_loop(KH_NAME_BYTES, kh_on_copy, &copy, 0);
		bit = bpf_map_lookup_elem(&kh_fields, key);
		if (!bit)
			continue;
		// A field that is there twice means both values.
		if (*bit == 0 || *bit > 64 || (seen & (1ull << ((*bit - 1) & 63))))
			return KH_RULE;
		seen |= 1ull << ((*bit - 1) & 63);
		if (kh_byte(msg, value) == ' ')
			value++;
		if (value >= wanted.end || wanted.end - value > KH_VALUE_BYTES || kh_byte(msg, value) == ' ' ||
		    kh_byte(msg, wanted.end - 1) == ' ')
			return KH_RULE;
		key->value_length = wanted.end - value;
		copy.to = key->value;
		copy.at = value;
		copy.length = wanted.end - value;
		copy.is_name = 0;
		bpf_loop(KH_VALUE_BYTES, kh_on_copy, &copy, 0);
		bit = bpf_map_lookup_elem(&kh_fields, key);
		if (bit && *bit >= 1 && *bit <= 64)
			*fields |= 1ull << ((*bit - 1) & 63);
	}
	return 0;
}

static __always_inline __u32 kh_judge(__u64 caller, __u32 table, const struct kh_rule *rule, __u32 method)
{
	struct kh_permission key = {.caller = caller, .table = table, .number = rule->number};
	__u32 *methods;

	if (rule->open & method)
		return 0;
	methods = bpf_map_lookup_elem(&kh_permissions, &key);
	return methods && (*methods & method) ? 0 : KH_POLICY;
}

// One of the rule's pools, by weight.
static __always_inline __u32 kh_draw(const struct kh_rule *rule, struct kh_request *request)
{
	__u32 draw;

	if (rule->draws == 0)
		return KH_RULE;
	request->pool = rule->targets[0].pool;
	request->count = rule->targets[0].count;
	if (rule->targets[0].below >= rule->draws)
		return 0;
	draw = bpf_get_prandom_u32() % rule->draws;
	for (int i = 0; i < KH_TARGETS; i++) {
		if (draw < rule->targets[i].below) {
			request->pool = rule->targets[i].pool;
			request->count = rule->targets[i].count;
			return 0;
		}
	}
	return KH_RULE;
}

// Whether the entry is what its hash says it is: hashes can be forged. As it has so many segments, and ends where one does, no
// other prefix of the path can be meant.
static __always_inline int kh_is_of_path(const struct kh_path *path, struct kh_request *request, struct sk_msg_md *msg,
					 __u32 is_exact)
{
	void *data = (void *)(long)msg->data, *end = (void *)(long)msg->data_end;
	__u32 length = path->length, whole = request->path_length;
	void *target = data + kh_bounded(request->target);

	if (length > KH_PATH_BYTES || length > whole || (is_exact && length != whole))
		return 0;
	// Behind a path is the rest of the line, and what this reads too much of it is cut off.
	for (__u32 at = 0; at < KH_PATH_BYTES; at += 8) {
		__u32 left = length - at;
		__u64 differs;

		if (at >= length)
			break;
		if (target + at + 8 > end)
			return 0;
		differs = *(__u64 *)(target + at) ^ *(__u64 *)&path->path[at];
		if (left < 8)
			differs <<= 64 - 8 * left;
		if (differs)
			return 0;
	}
	return length == whole || kh_byte(msg, request->target + length) == '/';
}

// The longest that there is, exact ones first.
static __always_inline struct kh_path *kh_find_path(struct kh_request *request, struct sk_msg_md *msg, struct kh_socket *socket,
						    const struct kh_table *table)
{
	struct kh_path_key key = {.table = table->id, .depth = KH_EXACT, .hash = (request->hash ^ 1) * KH_HASH_PRIME};
	struct kh_path *path = 0;
	__u32 depth = request->depth;

	if (table->depths & 1u << KH_EXACT)
		path = bpf_map_lookup_elem(&kh_paths, &key);
	if (path)
		return kh_is_of_path(path, request, msg, 1) ? path : 0;
	for (int i = 0; i <= KH_MOST_DEPTH; i++, depth--) {
		if (depth > KH_MOST_DEPTH)
			break;
		if (!(table->depths & 1u << depth))
			continue;
		key.depth = depth;
		key.hash = socket->hashes[depth];
		path = bpf_map_lookup_elem(&kh_paths, &key);
		if (path)
			return kh_is_of_path(path, request, msg, 0) ? path : 0;
	}
	return 0;
}

// Returns 0 with `pool` and `count`, or why the request goes to user space.
static __always_inline __u32 kh_route(struct kh_request *request, struct sk_msg_md *msg, struct kh_socket *socket,
				      const struct kh_table *table)
{
	struct kh_path *path = kh_find_path(request, msg, socket, table);

	if (!path)
		return KH_NO_ROUTE;
	if (path->count > KH_MOST_CANDIDATES)
		return KH_RULE;
	for (__u32 i = 0; i < KH_MOST_CANDIDATES; i++) {
		__u32 index = path->first + i, reason;
		struct kh_rule *rule;

		if (i >= path->count)
			break;
		rule = bpf_map_lookup_elem(&kh_rules, &index);
		if (!rule)
			return KH_RULE;
		if (!(rule->methods & request->method) || (rule->fields & ~request->fields))
			continue;
		if (rule->action == KH_TO_USER_WITH_QUERY) {
			if (request->has_query)
				return KH_RULE;
			continue;
		}
		if (rule->action != KH_TO_POOLS)
			return KH_RULE;
		reason = kh_judge(socket->caller, table->id, rule, request->method);
		if (reason)
			return reason;
		return kh_draw(rule, request);
	}
	return KH_NO_ROUTE;
}
