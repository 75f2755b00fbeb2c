// All maps. Names begin with kh_.
#pragma once
#include "types.h"
#include <bpf/bpf_helpers.h>

#define KH_MAP(map_name, kind, entries, flag, key_type, value_type) \
	struct { \
		__uint(type, kind); \
		__uint(max_entries, entries); \
		__uint(map_flags, flag); \
		__type(key, key_type); \
		__type(value, value_type); \
	} map_name SEC(".maps")

// C and B, by cookie.
KH_MAP(kh_sockets, BPF_MAP_TYPE_SOCKHASH, 65536, 0, __u64, __u64);
KH_MAP(kh_storage, BPF_MAP_TYPE_SK_STORAGE, 0, BPF_F_NO_PREALLOC, int, struct kh_socket);
KH_MAP(kh_clients, BPF_MAP_TYPE_HASH, 65536, BPF_F_NO_PREALLOC, __u64, struct kh_client);
KH_MAP(kh_backends, BPF_MAP_TYPE_HASH, 65536, BPF_F_NO_PREALLOC, __u64, struct kh_backend);
// The agent makes an entry for each connection that it knows of; without one nothing is kept.
KH_MAP(kh_kept, BPF_MAP_TYPE_HASH, 65536, BPF_F_NO_PREALLOC, __u64, struct kh_kept);
// C's connection, as A sees it: its cookie.
KH_MAP(kh_pairs, BPF_MAP_TYPE_HASH, 65536, BPF_F_NO_PREALLOC, struct kh_pair, __u64);
KH_MAP(kh_expected, BPF_MAP_TYPE_HASH, 4096, BPF_F_NO_PREALLOC, struct kh_pair, struct kh_expected);

// Cgroups elsewhere whose programs are of the mesh, by id.
KH_MAP(kh_joined, BPF_MAP_TYPE_HASH, 4096, BPF_F_NO_PREALLOC, __u64, __u32);

// Cgroups of callers that have left an answer unread, and whose new connections stay off the path.
KH_MAP(kh_not_reading, BPF_MAP_TYPE_LRU_HASH, 4096, 0, __u64, __u32);

// Numbers of Services.
KH_MAP(kh_listeners, BPF_MAP_TYPE_HASH, 65536, BPF_F_NO_PREALLOC, struct kh_listener, __u32);
KH_MAP(kh_tables, BPF_MAP_TYPE_HASH, 16384, BPF_F_NO_PREALLOC, __u32, struct kh_table);
KH_MAP(kh_hosts, BPF_MAP_TYPE_HASH, 65536, BPF_F_NO_PREALLOC, struct kh_host_key, struct kh_table);
KH_MAP(kh_paths, BPF_MAP_TYPE_HASH, 262144, BPF_F_NO_PREALLOC, struct kh_path_key, struct kh_path);
KH_MAP(kh_rules, BPF_MAP_TYPE_ARRAY, 65536, 0, __u32, struct kh_rule);
// Bit of a field, from 1 on; 0 for the entry without value.
KH_MAP(kh_fields, BPF_MAP_TYPE_HASH, 65536, BPF_F_NO_PREALLOC, struct kh_field_key, __u32);
KH_MAP(kh_permissions, BPF_MAP_TYPE_HASH, 262144, BPF_F_NO_PREALLOC, struct kh_permission, __u32);
KH_MAP(kh_counts, BPF_MAP_TYPE_PERCPU_ARRAY, 4096, 0, __u32, struct kh_counts);
KH_MAP(kh_counted, BPF_MAP_TYPE_HASH, 4096, BPF_F_NO_PREALLOC, __u32, struct kh_counted);
// Messages that went to user space, by enum kh_reason.
KH_MAP(kh_reasons, BPF_MAP_TYPE_PERCPU_ARRAY, KH_REASONS, 0, __u32, __u64);

#define KH_EVENTS_BYTES 1048576

// Idle connections of each pool, the one that waited longest first.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1024);
	__uint(key_size, 4);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_QUEUE);
			__uint(max_entries, 4096);
			__uint(key_size, 0);
			__type(value, __u64);
		});
} kh_pools SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, KH_EVENTS_BYTES);
} kh_events SEC(".maps");

// Events that found no room.
KH_MAP(kh_lost, BPF_MAP_TYPE_PERCPU_ARRAY, 1, 0, __u32, __u64);
