// What the agent sets.
#pragma once
#include "types.h"

// How deep below the root cgroups of workloads lie: that ancestor of a process is who it is.
const volatile __u32 member_level = 2;

// Bit n: some cgroup of kh_joined lies n levels below the root.
volatile __u32 joined_levels = 0;

#define KH_MOST_LEVELS 12

// Cgroup of the agent, whose own connections never take the path; 0 for none.
const volatile __u64 agent_cgroup = 0;

// Bit of a socket's flags that SO_ZEROCOPY sets; 64 for none.
const volatile __u32 zero_copy_flag = 64;

// Upper bounds of the buckets of durations, as metrics have them.
const volatile __u64 bounds_ns[KH_BUCKETS - 1] = {};

// At most one request in so long is told of when it is over; 0 for none.
volatile __u32 sample_every_ns = 0;
// When the last of them began.
volatile __u64 sampled_ns = 0;

// 0: the next request of every client goes to user space.
volatile __u32 is_on = 0;

// Longest message, with its head. Memory of the kernel is this times the connections.
#define KH_MESSAGE_BYTES 65536

// Each costs a struct sk_msg besides its bytes: without a limit a message of single bytes would cost 64 MB.
#define KH_PIECES_MOST 1024
