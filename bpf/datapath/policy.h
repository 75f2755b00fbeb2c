// NetworkPolicies: the lookups of CompiledNetworkPolicy (src/model/compiled-network-policy.ts), in their order.
#pragma once
#include "address.h"
#include "maps.h"

#define GROUP_ANYBODY 1
#define GROUP_MEMBERS 2
#define IDENTITY_NODE 1
#define FIRST_IDENTITY 16
#define SCOPE_BITS 32
#define PORT_BITS (64 + 24)

struct party {
	__u32 identity;
	// 0 for none.
	__u32 number;
	struct address address;
};

static __always_inline __u32 rule_at(__u32 class_id, __u32 group, const struct endpoint *to)
{
	struct port_key key = {.prefix_bits = PORT_BITS, .class_id = class_id, .group = group, .protocol = to->protocol};
	__u32 *rule;

	if (group == 0)
		return 0;
	__builtin_memcpy(key.port_be, &to->port_be, 2);
	rule = bpf_map_lookup_elem(&hd_ports, &key);
	return rule ? *rule : 0;
}

static __always_inline __u32 group_of_address(__u32 class_id, const struct address *address)
{
	struct block_key key = {};
	__u32 *group;

	if (address_is_v4(address)) {
		key.prefix_bits = SCOPE_BITS + 32;
		key.scope = class_id * 2;
		__builtin_memcpy(key.address, &address->bytes[12], 4);
	} else {
		key.prefix_bits = SCOPE_BITS + 128;
		key.scope = class_id * 2 + 1;
		__builtin_memcpy(key.address, address->bytes, 16);
	}
	group = bpf_map_lookup_elem(&hd_blocks, &key);
	return group ? *group : 0;
}

// The rule that allows; 0 for none.
static __always_inline __u32 rule_for(__u32 class_id, const struct party *peer, const struct endpoint *to)
{
	int is_member = peer->identity >= FIRST_IDENTITY;
	__u32 rule = 0;

	if (is_member) {
		struct peer_key key = {.class_id = class_id, .identity = peer->identity};
		__u32 *group = bpf_map_lookup_elem(&hd_peers, &key);

		rule = rule_at(class_id, group ? *group : 0, to);
	}
	if (!rule)
		rule = rule_at(class_id, group_of_address(class_id, &peer->address), to);
	if (!rule && is_member)
		rule = rule_at(class_id, GROUP_MEMBERS, to);
	if (!rule)
		rule = rule_at(class_id, GROUP_ANYBODY, to);
	return rule;
}

static __always_inline struct place *place_in_network(__u64 network, const struct endpoint *to)
{
	struct abroad_key key = {.network = network, .asked = *to};

	return bpf_map_lookup_elem(&hd_net_places, &key);
}

// Who is known to be at an address. Those of loopback are each network namespace's own.
static __noinline int find_place(__u64 network, struct endpoint *to, struct party *party)
{
	struct endpoint whole = {};
	struct place *place;

	if (!to || !party)
		return 0;
	whole.address = to->address;
	if (network != 0 && address_is_loopback(&to->address)) {
		place = place_in_network(network, to);
	} else {
		place = bpf_map_lookup_elem(&hd_places, to);
		if (!place)
			place = bpf_map_lookup_elem(&hd_places, &whole);
	}
	party->identity = place ? place->identity : 0;
	party->number = place ? place->number : 0;
	party->address = to->address;
	return 0;
}

static __always_inline int is_free(const struct party *from, const struct party *to)
{
	return (from->number != 0 && from->number == to->number) || from->identity == IDENTITY_NODE ||
	       to->identity == IDENTITY_NODE;
}

// Ingress of whoever is there. Fills in rule, class and verdict.
static __noinline int judge_ingress(struct party *from, struct party *subject, struct endpoint *to, struct flow_event *event)
{
	struct classes *classes;
	__u32 class_id;

	if (!from || !subject || !to || !event)
		return 0;
	event->from_identity = from->identity;
	event->to_identity = subject->identity;
	event->verdict = VERDICT_ALLOWED;
	if (is_free(from, subject))
		return 1;
	classes = bpf_map_lookup_elem(&hd_classes, &subject->identity);
	if (!classes || classes->ingress == 0)
		return 1;
	class_id = classes->ingress;
	event->ingress_rule = rule_for(class_id, from, to);
	if (event->ingress_rule != 0)
		return 1;
	event->class_id = class_id;
	event->verdict = VERDICT_INGRESS_DENIED;
	return 0;
}

// Egress of the caller, then ingress of whoever is there. Fills in rules, class and verdict.
static __noinline int judge(struct party *from, struct party *peer, struct endpoint *to, struct flow_event *event)
{
	struct classes *classes;

	if (!from || !peer || !to || !event)
		return 0;
	event->from_identity = from->identity;
	event->to_identity = peer->identity;
	event->verdict = VERDICT_ALLOWED;
	if (is_free(from, peer))
		return 1;
	classes = bpf_map_lookup_elem(&hd_classes, &from->identity);
	if (classes && classes->egress != 0) {
		__u32 class_id = classes->egress;

		event->egress_rule = rule_for(class_id, peer, to);
		if (event->egress_rule == 0) {
			event->class_id = class_id;
			event->verdict = VERDICT_EGRESS_DENIED;
			return 0;
		}
	}
	return judge_ingress(from, peer, to, event);
}
