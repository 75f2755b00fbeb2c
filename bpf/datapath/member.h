// Who somebody is: the first of a socket's or a process's ancestors that is a member's cgroup. Whoever is in it may
// make cgroups below it, and stays who he is.
#pragma once
#include "config.h"
#include "maps.h"
#include "policy.h"

// Deeper ones cannot join.
#define MOST_LEVELS 12

static __always_inline struct state *read_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&hd_state, &zero);
}

// 0 for the agent's own namespace.
static __always_inline __u64 network_abroad(__u64 cookie)
{
	__u64 difference = cookie ^ home_network;
	__s64 mask = (__s64)(difference | -difference) >> 63;

	// Without a branch: the verifier would follow all that comes after twice.
	asm volatile("" : "+r"(mask));
	return cookie & mask;
}

static __always_inline int is_agent(void)
{
	return agent_cgroup != 0 && bpf_get_current_ancestor_cgroup_id(member_level) == agent_cgroup;
}

// 1 when somebody is there; one whose workload is gone is nobody.
static __always_inline int take_member(__u64 cgroup, struct party *party)
{
	struct member *member = bpf_map_lookup_elem(&hd_members, &cgroup);

	if (!member)
		return 0;
	party->identity = member->identity;
	party->number = member->number;
	party->address = member->address;
	return 1;
}

static __always_inline int member_of_current(__u32 levels, struct party *party, __u64 *cgroup)
{
#pragma unroll
	for (int level = 1; level <= MOST_LEVELS; level++) {
		if (!(levels & (1u << level)))
			continue;
		*cgroup = bpf_get_current_ancestor_cgroup_id(level);
		if (take_member(*cgroup, party))
			return party->identity != 0;
	}
	return 0;
}

// Of a socket that its program has brought with it. 0 for others.
static __always_inline __u64 adopted_cgroup(struct bpf_sock *sk)
{
	__u64 *cgroup = bpf_sk_storage_get(&hd_adopted, sk, 0, 0);

	return cgroup ? *cgroup : 0;
}

// Whose socket a packet comes to, or from.
static __always_inline int member_of_packet(struct __sk_buff *skb, struct bpf_sock *sk, __u32 levels,
					    struct party *party, __u64 *cgroup)
{
#pragma unroll
	for (int level = 1; level <= MOST_LEVELS; level++) {
		if (!(levels & (1u << level)))
			continue;
		*cgroup = bpf_skb_ancestor_cgroup_id(skb, level);
		if (take_member(*cgroup, party))
			return party->identity != 0;
	}
	*cgroup = adopted_cgroup(sk);
	return take_member(*cgroup, party) && party->identity != 0;
}

static __always_inline __u64 member_of_socket(struct bpf_sock *sk, __u32 levels, struct party *party)
{
	__u64 cgroup;

#pragma unroll
	for (int level = 1; level <= MOST_LEVELS; level++) {
		if (!(levels & (1u << level)))
			continue;
		cgroup = bpf_sk_ancestor_cgroup_id(sk, level);
		if (take_member(cgroup, party))
			return cgroup;
	}
	cgroup = adopted_cgroup(sk);
	return take_member(cgroup, party) ? cgroup : 0;
}
