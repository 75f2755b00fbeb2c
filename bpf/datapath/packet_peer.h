// Who is at the other end of a packet: a socket of this network namespace or of the agent's, or whoever has that address
// for himself.
#pragma once
#include "address.h"
#include "maps.h"
#include "member.h"
#include "policy.h"
#include <linux/in.h>

// Of every network namespace.
#define LOOPBACK 1

// Of the socket's namespace; 0 for the agent's.
static __always_inline __u64 network_of_packet(struct __sk_buff *skb)
{
	return home_network == 0 ? 0 : network_abroad(bpf_get_netns_cookie(skb));
}

// The socket at the other end, if it is in that network namespace; in this one what goes there goes over loopback.
static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, const struct endpoint *remote,
						    const struct endpoint *local, __s32 network_id)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = sizeof(tuple.ipv4);

	if (address_is_v4(&remote->address)) {
		tuple.ipv4.saddr = address_v4(&local->address);
		tuple.ipv4.sport = local->port_be;
		tuple.ipv4.daddr = address_v4(&remote->address);
		tuple.ipv4.dport = remote->port_be;
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, local->address.bytes, 16);
		tuple.ipv6.sport = local->port_be;
		__builtin_memcpy(tuple.ipv6.daddr, remote->address.bytes, 16);
		tuple.ipv6.dport = remote->port_be;
		size = sizeof(tuple.ipv6);
	}
	if (remote->protocol == IPPROTO_TCP)
		return bpf_sk_lookup_tcp(skb, &tuple, size, network_id, 0);
	if (remote->protocol == IPPROTO_UDP)
		return bpf_sk_lookup_udp(skb, &tuple, size, network_id, 0);
	return 0;
}

static __always_inline void bound_address(struct bpf_sock *sk, struct address *address)
{
	__u32 words[4] = {sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]};
	// Read as it is: the verifier wants no pointer that is chosen first.
	__be32 v4 = *(volatile __be32 *)&sk->src_ip4;

	if (sk->family == AF_INET)
		address_from_v4(address, v4);
	else
		__builtin_memcpy(address->bytes, words, 16);
}

// No number of a network namespace.
#define NOWHERE -2

// What the agent's network namespace is numbered in another one; NOWHERE in itself.
static __noinline __s32 number_of_home(struct __sk_buff *skb)
{
	__u64 cookie = network_of_packet(skb);
	struct network *network = cookie ? bpf_map_lookup_elem(&hd_networks, &cookie) : 0;

	return network && network->home_id >= 0 ? network->home_id : NOWHERE;
}

// Whether a socket has sent what comes from there. From the agent's namespace only one that is bound to just that address:
// who is bound to all of them may not have this one, and somebody else speaks from there.
static __always_inline int is_sender(struct bpf_sock *sk, const struct endpoint *remote, int is_near)
{
	struct address at = {};

	// One that listens there has sent nothing.
	if (sk->state == BPF_TCP_LISTEN && remote->protocol == IPPROTO_TCP)
		return 0;
	bound_address(sk, &at);
	return is_near || address_equals(&at, &remote->address);
}

// Who is at the other end: whose socket it is, in this network namespace or in the agent's, or who has that address for
// himself. Returns the cgroup of a member; 0 for somebody else's socket, and for none.
static __noinline __u64 find_peer(struct __sk_buff *skb, struct endpoint *remote, struct endpoint *local,
				  struct party *party)
{
	struct endpoint whole = {};
	struct bpf_sock *sk;
	struct place *place;
	struct state *state = read_state();
	int is_near = skb->ifindex == LOOPBACK;
	__s32 network_id = BPF_F_CURRENT_NETNS;
	int is_found = is_near;
	__u64 cgroup = 0;

	if (!remote || !local || !party || !state)
		return 0;
	party->identity = 0;
	party->number = 0;
	if (!is_near)
		network_id = number_of_home(skb);
	sk = network_id == NOWHERE ? 0 : find_socket(skb, remote, local, network_id);
	if (sk) {
		if (is_sender(sk, remote, is_near)) {
			cgroup = member_of_socket(sk, state->levels, party);
			is_found = 1;
		}
		bpf_sk_release(sk);
	}
	if (!is_found) {
		whole.address = remote->address;
		place = bpf_map_lookup_elem(&hd_places, &whole);
		if (place) {
			party->identity = place->identity;
			party->number = place->number;
		}
	}
	// Rules for networks are about the address that it comes from.
	party->address = remote->address;
	return cgroup;
}

static __always_inline int is_listened_at(struct __sk_buff *skb, const struct endpoint *local)
{
	struct endpoint nobody = {.protocol = local->protocol};
	struct bpf_sock *sk;
	int is_listener;

	if (address_is_v4(&local->address))
		address_from_v4(&nobody.address, 0);
	sk = find_socket(skb, local, &nobody, BPF_F_CURRENT_NETNS);
	if (!sk)
		return 0;
	is_listener = sk->state == BPF_TCP_LISTEN;
	bpf_sk_release(sk);
	return is_listener;
}
