// Keys, values and events that programs of the kernel's HTTP path share with user space. Every byte has a name.
#pragma once
#include <linux/bpf.h>
#include <linux/types.h>

// Address as ::ffff:a.b.c.d.
struct kh_place {
	__u8 address[16];
	__be16 port_be;
	__u8 zero[2];
};
_Static_assert(sizeof(struct kh_place) == 20, "kh_place");

// Each network namespace has addresses of its own, 127.0.0.1 among them.
struct kh_listener {
	// Its cookie.
	__u64 netns;
	struct kh_place place;
	__u32 zero;
};
_Static_assert(sizeof(struct kh_listener) == 32, "kh_listener");

// A connection as the end that was connected to sees it.
struct kh_pair {
	__u64 netns;
	struct kh_place remote;
	struct kh_place local;
};
_Static_assert(sizeof(struct kh_pair) == 48, "kh_pair");

// A connection that the agent is about to open.
struct kh_expected {
	// Written when it is there.
	__u64 cookie;
	__u32 pool;
	__u32 zero;
};

enum kh_role {
	KH_NOBODY = 0,
	KH_CLIENT = 1,
	KH_BACKEND = 2,
};

// Why something goes to user space. Numbers are never used again.
enum kh_reason {
	KH_ON_PATH = 0,
	KH_NOT_HTTP = 1,
	KH_METHOD = 2,
	KH_TARGET = 3,
	KH_VERSION = 4,
	KH_HEAD_SPLIT = 5,
	KH_HEAD_LARGE = 6,
	KH_FIELD = 7,
	KH_LENGTH = 8,
	KH_CODED = 9,
	KH_CONNECTION = 10,
	KH_UPGRADE = 11,
	KH_EXPECT = 12,
	KH_HOST = 13,
	KH_LARGE = 14,
	KH_PIPELINED = 15,
	KH_UNREAD = 16,
	KH_NO_ROUTE = 17,
	KH_RULE = 18,
	KH_POLICY = 19,
	KH_POOL_EMPTY = 20,
	KH_OFF = 21,
	KH_PIECES = 22,
	KH_LOST = 23,
	KH_NO_LENGTH = 24,
	KH_STATUS = 25,
	KH_BY_AGENT = 26,
	KH_ZERO_COPY_SENDER = 27,
	KH_NOT_READING = 28,
	KH_REASONS = 32,
};

#define KH_PATH_BYTES 240
// A path that has more segments than this is the proxy's.
#define KH_MOST_DEPTH 30
// For an exact path, in the place of a depth.
#define KH_EXACT 31

// `hash` is FNV-1a of the path, and of one byte more where it is exact. Whoever finds an entry compares its bytes.
struct kh_path_key {
	__u32 table;
	__u32 depth;
	__u64 hash;
};
_Static_assert(sizeof(struct kh_path_key) == 16, "kh_path_key");

// Rules that may hold for a path, in their order.
struct kh_path {
	__u32 first;
	__u16 count;
	__u16 length;
	// A prefix without its last slash.
	__u8 path[KH_PATH_BYTES];
};
_Static_assert(sizeof(struct kh_path) == 248, "kh_path");

#define KH_NAME_BYTES 32
#define KH_VALUE_BYTES 64

// A field that some rule of the table asks for; an entry without value says that there is such a rule.
struct kh_field_key {
	__u32 table;
	__u16 name_length;
	__u16 value_length;
	__u8 name[KH_NAME_BYTES];
	__u8 value[KH_VALUE_BYTES];
};
_Static_assert(sizeof(struct kh_field_key) == 104, "kh_field_key");

#define KH_HOST_BYTES 64

// `table` is the Service's table of hosts; the value is the table of that host.
struct kh_host_key {
	__u32 table;
	__u32 length;
	__u8 host[KH_HOST_BYTES];
};
_Static_assert(sizeof(struct kh_host_key) == 72, "kh_host_key");

enum kh_table_flags {
	// Hosts lead to tables of their own.
	KH_HAS_HOSTS = 1,
	// Some rule asks for a parameter of the query.
	KH_HAS_QUERY = 2,
};

// What holds for a Service now.
struct kh_table {
	__u32 id;
	enum kh_table_flags flags;
	// Bit n: some rule asks for a field whose name has n bytes.
	__u64 name_lengths;
	// Bit n: some prefix has n segments; KH_EXACT: some path is exact.
	__u32 depths;
	__u32 zero;
};
_Static_assert(sizeof(struct kh_table) == 24, "kh_table");

enum kh_method {
	KH_GET = 1,
	KH_HEAD = 2,
	KH_POST = 4,
	KH_PUT = 8,
	KH_DELETE = 16,
	KH_OPTIONS = 32,
	KH_PATCH = 64,
};

enum kh_action {
	KH_TO_POOLS = 1,
	KH_TO_USER = 2,
	// Only with a query; without, the rule does not hold.
	KH_TO_USER_WITH_QUERY = 3,
};

#define KH_TARGETS 8

struct kh_target {
	// A draw below this goes here.
	__u32 below;
	__u32 pool;
	// Where what it answers is counted.
	__u32 count;
};

struct kh_rule {
	// As bits.
	enum kh_method methods;
	enum kh_action action;
	// Bits of fields that a request must have.
	__u64 fields;
	// What permissions are for.
	__u32 number;
	// Sum of the weights.
	__u32 draws;
	// Allowed to everybody; for others the caller has a permission.
	enum kh_method open;
	__u32 zero;
	struct kh_target targets[KH_TARGETS];
};
_Static_assert(sizeof(struct kh_rule) == 128, "kh_rule");

// `caller` is the id of a cgroup. The value has methods.
struct kh_permission {
	__u64 caller;
	__u32 table;
	__u32 number;
};

// A socket's own; nobody else reads it.
struct kh_socket {
	__u64 cookie;
	__u64 caller;
	// Where the rest of a request goes.
	__u64 partner;
	__u32 body_left;
	// Of a message whose first part went on by itself; see kh_divide().
	__u32 rest;
	__u32 pieces;
	// Number of the Service.
	__u32 service;
	__u32 role;
	// Bytes that were read of it, modulo 2^32.
	__u32 read;
	// Always 0, which the verifier does not know: loops that begin with it converge.
	__u32 nothing;
	// Room for the program to work in: of the path as it was before each of its slashes, and a field.
	__u64 hashes[KH_MOST_DEPTH + 2];
	struct kh_field_key field;
};

// By cookie of C. Whoever writes is said in 0012.
struct kh_client {
	// Of the endpoint's connection that owes a response; 0 for none.
	__u64 backend;
	// enum kh_reason; not 0: it is in user space for life.
	enum kh_reason reason;
	__u32 service;
	// Bytes of responses that programs redirected, modulo 2^32.
	__u32 promised;
	__u32 zero;
};
_Static_assert(sizeof(struct kh_client) == 24, "kh_client");

enum kh_backend_state {
	KH_IDLE = 0,
	// The head of a response is next.
	KH_AT_HEAD = 1,
	KH_IN_BODY = 2,
	// The response is over, the request is not.
	KH_ANSWERED = 3,
	// The response goes to the agent.
	KH_RELAYED = 4,
	KH_DEAD = 5,
	// The same, since C is not there any more to be answered.
	KH_UNHEARD = 6,
};

enum kh_parts {
	KH_REQUEST_ENDED = 1,
	KH_RESPONSE_ENDED = 2,
};

// By cookie of B.
struct kh_backend {
	// Cookie of C; 0 for nobody.
	__u64 owner;
	__u64 started_ns;
	// Cgroup of C's program.
	__u64 caller;
	enum kh_backend_state state;
	// Changed by fetch-or.
	enum kh_parts parts;
	__u32 pool;
	// Where it is counted.
	__u32 count;
	// Of the response's body.
	__u32 left;
	// Redirected of this response.
	__u32 sent;
	// Bytes of requests that programs redirected, modulo 2^32.
	__u32 promised;
	// The same when the request began, all of it read by then.
	__u32 promised_before;
	// Cookie of the C whose response was the last one; for when it was cut off.
	__u64 answered;
	// Of bodies.
	__u32 request_bytes;
	__u32 response_bytes;
	// From the request's first byte to the first of the response.
	__u32 waited_us;
	// How many bytes of the request are in kh_kept, from the first on.
	__u16 kept;
	__u16 status;
	__u8 is_to_head;
	// All of it is there, and it may be sent twice.
	__u8 is_repeatable;
	// Somebody is told of it when it is over.
	__u8 is_sampled;
	__u8 rest;
	__u32 end;
};
_Static_assert(sizeof(struct kh_backend) == 88, "kh_backend");

#define KH_KEPT_BYTES 2048

// What a connection's endpoint is asked, by the cookie of B.
struct kh_kept {
	__u8 bytes[KH_KEPT_BYTES];
};
_Static_assert(sizeof(struct kh_kept) == 2048, "kh_kept");

#define KH_BUCKETS 18

// Of a target of a rule, for each CPU.
struct kh_counts {
	// 1xx to 5xx, by their first digit.
	__u64 classes[8];
	__u64 request_bytes;
	__u64 response_bytes;
	__u64 nanoseconds;
	// Of the response's first byte.
	__u64 waited_us;
	// By `bounds_ns`; the last has none.
	__u64 buckets[KH_BUCKETS];
	__u64 waits[KH_BUCKETS];
};
_Static_assert(sizeof(struct kh_counts) == 384, "kh_counts");

#define KH_TARGET_BYTES 2040

// For the next agent: what is counted at one place, and what was told of it already. Programs do not look at it.
struct kh_counted {
	struct kh_counts told;
	__u64 length;
	// JSON.
	__u8 target[KH_TARGET_BYTES];
};
_Static_assert(sizeof(struct kh_counted) == 2432, "kh_counted");

enum kh_event_kind {
	KH_CLIENT_OPENED = 1,
	KH_CLIENT_CLOSED = 2,
	KH_BACKEND_OPENED = 3,
	KH_BACKEND_CLOSED = 4,
	// B's response comes by P.
	KH_RESPONSE_RELAYED = 5,
	// B is not to be used any more.
	KH_BACKEND_DEAD = 6,
	// C and B are in the middle of a message that cannot go on.
	KH_PAIR_BROKEN = 7,
	KH_POOL_WAS_EMPTY = 8,
	// One of many requests is over: struct kh_sample.
	KH_SAMPLED = 9,
	// SO_ZEROCOPY was refused to C or B, or B never came on the path for it.
	KH_ZERO_COPY = 10,
};

struct kh_event {
	enum kh_event_kind kind;
	__u32 pool;
	__u64 client;
	__u64 backend;
	struct kh_pair pair;
};
_Static_assert(sizeof(struct kh_event) == 72, "kh_event");

#define KH_SAMPLE_BYTES 512

// Begins as struct kh_event does.
struct kh_sample {
	enum kh_event_kind kind;
	__u32 count;
	__u64 client;
	__u64 caller;
	__u64 took_ns;
	__u32 waited_us;
	__u32 request_bytes;
	__u32 response_bytes;
	__u16 status;
	__u16 kept;
	// Of the request's head.
	__u8 bytes[KH_SAMPLE_BYTES];
};
_Static_assert(sizeof(struct kh_sample) == 560, "kh_sample");
