// Set when the object is loaded; the verifier takes them for constants.
#pragma once
#include <linux/types.h>

// How deep below the root cgroups of workloads lie: that ancestor of a process is who it is.
const volatile __u32 member_level = 2;

// The network of virtual IPv4 addresses, in network byte order; as it stands here it has none.
const volatile __u32 virtual_network = 0xffffffff;
const volatile __u32 virtual_mask = 0;

// Cgroup of the agent itself: it is led nowhere, and let in everywhere. 0 for none.
const volatile __u64 agent_cgroup = 0;

// Cookie of the network namespace of the agent. 0 where kernels tell packets no namespaces: then all are taken for it.
const volatile __u64 home_network = 0;

// Silence after which a datagram is the first one again, as nf_conntrack has it for streams.
const volatile __u64 forget_ns = 120000000000ULL;
