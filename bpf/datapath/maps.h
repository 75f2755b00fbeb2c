// A pinned map that looks different than before begins anew, so that its sockets are not known any more. hd_adopted,
// hd_callers and hd_guests must not: policies would be open to theirs. Another layout of these is a map of another name beside them.
//
// All maps. Names begin with hd_ and have at most 15 letters; what is pinned, hd_sent, flows and their
// losses are written here, all others by user space.
#pragma once
#include "types.h"
#include <bpf/bpf_helpers.h>

// By virtual address.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint);
	__type(value, struct service);
} hd_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct slot_key);
	__type(value, struct slot);
} hd_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct offer_key);
	__type(value, __u32);
} hd_offers SEC(".maps");

// By enum name_server. Port 0 for one that is not there.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, struct endpoint);
} hd_names SEC(".maps");

// One entry.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} hd_state SEC(".maps");

// By the id of a cgroup: one right below the mesh's, or one that has joined.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct member);
} hd_members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint);
	__type(value, struct place);
} hd_places SEC(".maps");

// Other network namespaces that have members, by their cookies.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct network);
} hd_networks SEC(".maps");

// By virtual address: where the agent listens for it in another network namespace. Endpoints are mostly out of reach there.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct abroad_key);
	__type(value, struct endpoint);
} hd_abroad SEC(".maps");

// Who listens at loopback addresses of other network namespaces, likewise.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct abroad_key);
	__type(value, struct place);
} hd_net_places SEC(".maps");

// Policies. Sizes are two generations of networkPolicyLimits.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct classes);
} hd_classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct peer_key);
	__type(value, __u32);
} hd_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct block_key);
	__type(value, __u32);
} hd_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct port_key);
	__type(value, __u32);
} hd_ports SEC(".maps");

// Of connected sockets; an entry goes with its socket. Pinned: the next agent's programs know it, too. A socket that is
// accepted begins with what its listener has.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, int);
	__type(value, struct origin);
} hd_origins SEC(".maps");

// Cgroup of the workload that sockets are of whose program has joined after it made them: they stay where they were
// made. Written by user space; what is accepted has it of its listener.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, int);
	__type(value, __u64);
} hd_adopted SEC(".maps");

// Of datagrams: by socket and the address that the program sends to.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct datagram_key);
	__type(value, struct datagram_target);
} hd_sent SEC(".maps");

// Of datagrams: by socket and the endpoint that answers, what the program sent to. Pinned likewise.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct datagram_key);
	__type(value, struct endpoint);
} hd_answers SEC(".maps");

// Where a client's last connection went. Pinned likewise.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} hd_affinity SEC(".maps");

// By the cookie of a socket that was led to where names are answered. Pinned likewise.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u64);
	__type(value, struct question);
} hd_questions SEC(".maps");

// Of datagrams: by socket and who is at the other end. Pinned likewise.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct datagram_key);
	__type(value, struct datagram_track);
} hd_tracks SEC(".maps");

// Of datagram sockets of clients: the key of the last track, which ends with the socket. All others end by silence.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, int);
	__type(value, struct datagram_key);
} hd_last SEC(".maps");

// Tracks that are flows: so many have begun and were not ended here. Those that made room for others are found by that.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hd_begun SEC(".maps");

// Cgroups of members that connect to the agent; 0 for whoever is of no cgroup of the mesh. Pinned: workers of the proxy
// look there.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct caller_key);
	__type(value, __u64);
} hd_callers SEC(".maps");

// The same in other network namespaces, where hd_callers has none.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct guest_key);
	__type(value, __u64);
} hd_guests SEC(".maps");

// What clients had asked for that were led to a server of the mesh, for whoever asks SO_ORIGINAL_DST. Pinned likewise.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct caller_key);
	__type(value, struct endpoint);
} hd_asked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct told);
} hd_told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} hd_flows SEC(".maps");

// When user space was last told that there are events.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hd_woken SEC(".maps");

// Events that found no room.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hd_lost SEC(".maps");
