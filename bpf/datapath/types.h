// Keys, values and events that programs share with user space: src/datapath/generated/ has them for TypeScript.
// Every byte has a name, since keys are compared byte by byte.
#pragma once
#include <linux/bpf.h>
#include <linux/types.h>

// IPv4 as ::ffff:a.b.c.d, so that an address has one form on sockets of either family.
struct address {
	__u8 bytes[16];
};

// One end of a connection; a key of services and of places.
struct endpoint {
	struct address address;
	__be16 port_be;
	__u8 protocol;
	__u8 zero;
};
_Static_assert(sizeof(struct endpoint) == 20, "endpoint");

enum service_kind {
	// To one of its endpoints, chosen here.
	SERVICE_BALANCED = 1,
	// To the proxy, which chooses.
	SERVICE_PROXIED = 2,
};

// What a virtual address leads to. Written at one moment, after its slots: `block` has a new number for new slots.
struct service {
	__u32 id;
	__u32 block;
	__u32 slots;
	__u32 kind;
	// So long after its last connection a client comes back to the same endpoint; 0 for never.
	__u32 affinity_seconds;
};
_Static_assert(sizeof(struct service) == 20, "service");

struct slot_key {
	__u32 block;
	__u32 index;
};

// Weights by the alias method (Vose 1991): all slots are equally likely, and each is shared by two.
struct slot {
	// Of 2^32 draws so many go to the first, all others to the second.
	__u32 first_share;
	struct endpoint first;
	struct endpoint second;
};
_Static_assert(sizeof(struct slot) == 44, "slot");

// Endpoints that the slots of a block lead to; written for Services with affinity.
struct offer_key {
	__u32 block;
	struct endpoint endpoint;
};
_Static_assert(sizeof(struct offer_key) == 24, "offer_key");

struct affinity_key {
	// The client: all processes of a workload are one.
	__u64 cgroup;
	struct endpoint asked;
	__u32 zero;
};
_Static_assert(sizeof(struct affinity_key) == 32, "affinity_key");

struct affinity {
	struct endpoint given;
	__u32 zero;
	__u64 used_ns;
};
_Static_assert(sizeof(struct affinity) == 32, "affinity");

// Whoever runs below a cgroup of the mesh.
struct member {
	// As in tables of policies; 0: nobody yet, everything is refused.
	__u32 identity;
	// Of the workload: it always reaches itself.
	__u32 number;
	struct address address;
};
_Static_assert(sizeof(struct member) == 24, "member");

// Who listens at an address; port and protocol 0 for every port.
struct place {
	__u32 identity;
	__u32 number;
};

// Classes of an identity; 0 for none, which is open.
struct classes {
	__u32 ingress;
	__u32 egress;
};

struct peer_key {
	__u32 class_id;
	__u32 identity;
};

struct block_key {
	__u32 prefix_bits;
	// Twice the class, plus one for IPv6.
	__u32 scope;
	__u8 address[16];
};

struct port_key {
	__u32 prefix_bits;
	__u32 class_id;
	__u32 group;
	__u8 protocol;
	// Network byte order: prefixes count from the first bit. Two bytes, so that nothing is padded in between.
	__u8 port_be[2];
	__u8 zero;
};
_Static_assert(sizeof(struct port_key) == 16, "port_key");

// What all programs look at first. Written last: whoever finds a new generation finds its tables, too.
struct state {
	// Of policies, and of who is who. Connections that were judged by another one are judged again.
	__u32 generation;
	// At which depths below the root cgroups of members lie, one bit for each.
	__u32 levels;
};

enum role {
	ROLE_UNKNOWN = 0,
	// It opened the connection, or sent the first datagram.
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

// What became of a connection when it was judged last.
struct track {
	// 0: not yet.
	__u32 generation;
	__u8 role;
	__u8 is_allowed;
	__u8 zero[2];
};

// Where a socket was to go, where it was led, and whether it may. It outlives the agent that runs.
struct origin {
	struct endpoint asked;
	struct endpoint given;
	struct track track;
	__u64 cgroup;
	// When it was asked for, and when it was there; 0 for not yet, for datagrams, and for whoever did not ask.
	__u64 asked_ns;
	__u64 opened_ns;
};
_Static_assert(sizeof(struct origin) == 72, "origin");

// Datagrams between a socket and somebody. Forgotten after a while of silence.
struct datagram_track {
	struct track track;
	// Whether user space was told that it began, and is to be told that it is over.
	__u32 is_flow;
	// Of flows: who sent, to a server.
	__u32 from_identity;
	struct endpoint local;
	__u32 zero;
	__u64 cgroup;
	__u64 begun_ns;
	__u64 seen_ns;
	// Of the program's data.
	__u64 sent_bytes;
	__u64 received_bytes;
};
_Static_assert(sizeof(struct datagram_track) == 80, "datagram_track");

// A connection to the agent, or to a server of the mesh, as its socket will see it.
struct caller_key {
	struct endpoint client;
	struct endpoint listener;
};

// The same in another network namespace than the agent's, which has addresses and ports of its own.
struct guest_key {
	__u64 network;
	struct caller_key ends;
};
_Static_assert(sizeof(struct guest_key) == 48, "guest_key");

// Something in another network namespace.
struct abroad_key {
	// Its cookie.
	__u64 network;
	struct endpoint asked;
	__u32 zero;
};
_Static_assert(sizeof(struct abroad_key) == 32, "abroad_key");

// Another network namespace that has members.
struct network {
	// What the agent's is numbered there; negative where it has no number.
	__s32 home_id;
	// Where the agent answers names there, for sockets of either family.
	struct endpoint names_v4;
	struct endpoint names_v6;
};
_Static_assert(sizeof(struct network) == 44, "network");

// So many events of packets have been told since then.
struct told {
	__u64 since_ns;
	__u64 count;
};

struct datagram_key {
	__u64 cookie;
	struct endpoint peer;
	__u32 zero;
};
_Static_assert(sizeof(struct datagram_key) == 32, "datagram_key");

// Datagrams of one socket go to one endpoint until the Service has others.
struct datagram_target {
	struct endpoint given;
	__u32 block;
	// When user space was told of it.
	__u64 told_ns;
};
_Static_assert(sizeof(struct datagram_target) == 32, "datagram_target");

// Where the agent answers names.
enum name_server {
	// Programs of the mesh, and nobody else is led there.
	NAMES_LED_V4 = 0,
	NAMES_LED_V6 = 1,
	// Everybody who knows its address; programs of the mesh are led to the other two.
	NAMES_OPEN = 2,
};

// Who asks for names through a socket, and the resolver that the program meant.
struct question {
	__u64 cgroup;
	struct endpoint asked;
	// On going there: names of elsewhere are asked for only where the program might itself.
	__u32 verdict;
};
_Static_assert(sizeof(struct question) == 32, "question");

// One number is return code, metric label and flow verdict. Never reused.
enum verdict {
	VERDICT_ALLOWED = 1,
	// No egress rule of the caller's policies fits.
	VERDICT_EGRESS_DENIED = 2,
	// No ingress rule of the destination's policies fits.
	VERDICT_INGRESS_DENIED = 3,
	// The Service has no endpoint that can be reached from this socket.
	VERDICT_NO_ENDPOINT = 4,
	// The caller is of the mesh, but nobody knows who: refused.
	VERDICT_NO_IDENTITY = 5,
};

struct flow_event {
	__u64 time_ns;
	__u64 cgroup;
	__u64 cookie;
	// As the program asked.
	struct endpoint asked;
	// Where it was led, or would have been.
	struct endpoint given;
	// 0 where it was no Service's.
	__u32 service;
	__u32 from_identity;
	__u32 to_identity;
	// Of the rule that allowed; 0 where no policy selects that end.
	__u32 egress_rule;
	__u32 ingress_rule;
	// Class that refused; 0 where none did.
	__u32 class_id;
	__u32 verdict;
	// enum role: of the workload whose cgroup this is.
	__u32 role;
};
_Static_assert(sizeof(struct flow_event) == 96, "flow_event");

// A connection of TCP that is over, or never came to be, and datagrams to somebody that nobody expects any more. Known
// from the others by its size. It has neither ids nor rules.
struct flow_end {
	struct flow_event flow;
	// Of the program's data.
	__u64 sent_bytes;
	__u64 received_bytes;
	// Since connect(); of datagrams from the first to the last.
	__u64 duration_ns;
	// Until it was there; 0 for one that never was, and for datagrams.
	__u64 connect_ns;
	// Smoothed.
	__u32 round_trip_us;
	__u32 zero;
};
_Static_assert(sizeof(struct flow_end) == 136, "flow_end");

enum cut_kind {
	// Somebody asks a listener of the mesh for a connection; the flow is that listener's.
	CUT_ASKING = 1,
	// A connection that was there, or is asked for by a socket of the mesh; the flow is that socket's.
	CUT_OPEN = 2,
	// The same, told before; of the flow there is the socket only.
	CUT_AGAIN = 3,
};

// A packet of TCP that policies have dropped. Known from the others by its size.
struct flow_cut {
	struct flow_event flow;
	// Of the mesh's socket.
	struct endpoint local;
	struct endpoint remote;
	// Of TCP, after a SYN.
	__u32 next_sequence;
	__u32 kind;
};
_Static_assert(sizeof(struct flow_cut) == 144, "flow_cut");
