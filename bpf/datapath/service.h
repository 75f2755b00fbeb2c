// From a virtual address to one of the endpoints behind it.
#pragma once
#include "maps.h"

// A block goes away only after its Service has another one: whoever comes in between looks again.
#define MOST_LOOKS 3

enum choice {
	// Not the address of a Service.
	CHOICE_NONE,
	CHOICE_MADE,
	CHOICE_NOBODY,
};

struct chosen {
	struct endpoint endpoint;
	struct service service;
};

// Where the client went before, if it is not too long ago and the endpoint is still offered.
static __always_inline int choose_again(const struct affinity_key *client, struct chosen *chosen)
{
	struct affinity *before = bpf_map_lookup_elem(&hd_affinity, client);
	__u64 most_ns = chosen->service.affinity_seconds * 1000000000ULL;
	__u64 now_ns = bpf_ktime_get_ns();
	struct offer_key offer = {.block = chosen->service.block};

	if (!before || now_ns - before->used_ns > most_ns)
		return 0;
	offer.endpoint = before->given;
	if (!bpf_map_lookup_elem(&hd_offers, &offer))
		return 0;
	before->used_ns = now_ns;
	chosen->endpoint = offer.endpoint;
	return 1;
}

static __always_inline void remember_choice(const struct affinity_key *client, const struct chosen *chosen)
{
	struct affinity now = {.given = chosen->endpoint, .used_ns = bpf_ktime_get_ns()};

	bpf_map_update_elem(&hd_affinity, client, &now, BPF_ANY);
}

static __always_inline enum choice choose(const struct endpoint *asked, __u64 cgroup, struct chosen *chosen)
{
	for (int look = 0; look < MOST_LOOKS; look++) {
		struct service *service = bpf_map_lookup_elem(&hd_services, asked);
		struct affinity_key client = {.cgroup = cgroup, .asked = *asked};
		struct slot_key key;
		struct slot *slot;

		if (!service)
			return CHOICE_NONE;
		chosen->service = *service;
		if (chosen->service.slots == 0)
			return CHOICE_NOBODY;
		if (chosen->service.affinity_seconds != 0 && choose_again(&client, chosen))
			return CHOICE_MADE;
		key.block = chosen->service.block;
		key.index = bpf_get_prandom_u32() % chosen->service.slots;
		slot = bpf_map_lookup_elem(&hd_slots, &key);
		if (!slot)
			continue;
		chosen->endpoint = bpf_get_prandom_u32() < slot->first_share ? slot->first : slot->second;
		if (chosen->service.affinity_seconds != 0)
			remember_choice(&client, chosen);
		return CHOICE_MADE;
	}
	return CHOICE_NOBODY;
}
