// Packets of the mesh's sockets, which nobody gets around: sockets that were made elsewhere, connections that come from
// outside or were there before a policy.
//
// A connection is judged once for each generation of policies, and its socket remembers what came of it, so that all
// other packets cost two lookups. Datagrams are remembered by who is at the other end.
#pragma once
#include "address.h"
#include "datagram.h"
#include "flow.h"
#include "member.h"
#include "names.h"
#include "packet_head.h"
#include "packet_peer.h"
#include "policy.h"
#include <linux/in.h>

#define DROP 0
#define PASS 1
#define SOCK_STREAM 1
#define ICMPV6 58

enum direction {
	INBOUND,
	OUTBOUND,
};

// A packet that is about to be judged.
struct judgement {
	struct packet packet;
	struct flow_event event;
	// As of a request.
	__u64 network;
	enum direction direction;
};

// Whether it may be; `role` is that of the socket whose packet it is. VERDICT_NO_IDENTITY if nobody knows whose it is.
static __noinline int judge_packet(struct __sk_buff *skb, struct bpf_sock *sk, struct judgement *question,
				   __u32 levels, __u32 role)
{
	struct endpoint *local, *remote;
	struct flow_event *event;
	struct party subject = {};
	struct party peer = {};

	if (!sk || !question)
		return 0;
	local = question->direction == OUTBOUND ? &question->packet.from : &question->packet.to;
	remote = question->direction == OUTBOUND ? &question->packet.to : &question->packet.from;
	event = &question->event;
	event->role = role;
	event->asked = role == ROLE_CLIENT ? *remote : *local;
	event->given = event->asked;
	event->cookie = bpf_get_socket_cookie(skb);
	if (!member_of_packet(skb, sk, levels, &subject, &event->cgroup)) {
		event->verdict = VERDICT_NO_IDENTITY;
		return 0;
	}
	if (role == ROLE_CLIENT) {
		question->network = network_of_packet(skb);
		find_place(question->network, remote, &peer);
		return judge(&subject, &peer, remote, event);
	}
	find_peer(skb, remote, local, &peer);
	return judge_ingress(&peer, &subject, local, event);
}

// A function of its own, so that the object has the type.
static __noinline int fill_cut(struct flow_cut *record, struct judgement *question)
{
	struct packet *packet;

	if (!record || !question)
		return 0;
	packet = &question->packet;
	record->flow = question->event;
	record->local = question->direction == OUTBOUND ? packet->from : packet->to;
	record->remote = question->direction == OUTBOUND ? packet->to : packet->from;
	// What an answer to a SYN has to name.
	record->next_sequence = packet->tcp_sequence + 1;
	return 0;
}

// User space is told, and ends the connection: the kernel alone would let its ends wait.
static __always_inline void cut(struct judgement *question, enum cut_kind kind)
{
	struct flow_cut *record;

	if (!may_tell_packet())
		return;
	question->event.time_ns = bpf_ktime_get_ns();
	record = bpf_ringbuf_reserve(&hd_flows, sizeof(*record), 0);
	if (!record) {
		count_lost();
		return;
	}
	fill_cut(record, question);
	record->kind = kind;
	bpf_ringbuf_submit(record, wake_flags(question->event.time_ns));
}

// What whoever asks for a connection had asked for, if he was led here. Ports are used again: what was noted of another
// connection goes. A function of its own for the sake of the stack.
static __noinline int note_asked(struct __sk_buff *skb, struct judgement *question)
{
	struct caller_key key = {};
	struct endpoint asked = {};
	struct origin *origin;
	struct bpf_sock *sk;

	// Nobody is led to a server of another namespace.
	if (!question || skb->ifindex != LOOPBACK || network_of_packet(skb) != 0)
		return 0;
	key.client = question->packet.from;
	key.listener = question->packet.to;
	sk = find_socket(skb, &key.client, &key.listener, BPF_F_CURRENT_NETNS);
	if (!sk)
		return 0;
	origin = bpf_sk_storage_get(&hd_origins, sk, 0, 0);
	if (origin && origin->track.role == ROLE_CLIENT && endpoint_equals(&origin->given, &key.listener))
		asked = origin->asked;
	bpf_sk_release(sk);
	if (asked.protocol != 0 && !endpoint_equals(&asked, &key.listener))
		bpf_map_update_elem(&hd_asked, &key, &asked, BPF_ANY);
	else
		bpf_map_delete_elem(&hd_asked, &key);
	return 0;
}

// Who listens has let nobody in yet: what is accepted begins with this, and is judged by its own packets.
static __always_inline int ask_to_connect(struct __sk_buff *skb, struct bpf_sock *sk, struct judgement *question,
					  __u32 levels)
{
	struct origin *origin = bpf_sk_storage_get(&hd_origins, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (origin) {
		origin->track.generation = 0;
		origin->track.role = ROLE_SERVER;
		origin->track.is_allowed = 0;
	}
	if (!judge_packet(skb, sk, question, levels, ROLE_SERVER)) {
		cut(question, CUT_ASKING);
		return DROP;
	}
	note_asked(skb, question);
	// Those of members were told when they called connect().
	if (question->event.from_identity < FIRST_IDENTITY)
		tell_packet(&question->event);
	return PASS;
}

// A connection may always be given up.
static __always_inline int drop_open(struct judgement *question, enum cut_kind kind)
{
	if (question->packet.tcp_flags & TCP_RST)
		return PASS;
	cut(question, kind);
	return DROP;
}

static __always_inline int judge_connection(struct __sk_buff *skb, struct bpf_sock *sk, struct judgement *question,
					    const struct state *state)
{
	struct origin *origin = bpf_sk_storage_get(&hd_origins, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	__u32 generation = state->generation;
	__u32 role = origin ? origin->track.role : ROLE_UNKNOWN;
	int is_allowed;

	if (role == ROLE_UNKNOWN) {
		const struct packet *packet = &question->packet;
		const struct endpoint *local = question->direction == OUTBOUND ? &packet->from : &packet->to;

		// It was there before this program.
		role = sk->state != BPF_TCP_SYN_SENT && is_listened_at(skb, local) ? ROLE_SERVER : ROLE_CLIENT;
	}
	is_allowed = judge_packet(skb, sk, question, state->levels, role);
	if (!is_allowed && question->event.verdict == VERDICT_NO_IDENTITY) {
		// Nobody can say any more, or not again yet: what was decided holds for what was there.
		return origin && origin->track.generation != 0 && origin->track.is_allowed ? PASS : DROP;
	}
	if (origin) {
		origin->track.role = role;
		origin->track.is_allowed = is_allowed;
		origin->track.generation = generation;
	}
	return is_allowed ? PASS : drop_open(question, CUT_OPEN);
}

static __always_inline int is_packet_of_agent(struct __sk_buff *skb)
{
	return agent_cgroup != 0 && bpf_skb_ancestor_cgroup_id(skb, member_level) == agent_cgroup;
}

// Whoever connects to the agent: told anew for each, since ports are used again. Nobody of the mesh is told, too: whom
// others have pushed out of the map by then is not to be taken for that.
static __noinline int note_caller(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct packet packet = {};
	struct guest_key guest = {};
	struct caller_key *key = &guest.ends;
	struct party party = {};
	__u64 cgroup = 0;

	if (!sk)
		return 0;
	if (sk->protocol == IPPROTO_TCP ? sk->state != BPF_TCP_LISTEN : sk->protocol != IPPROTO_UDP || sk->dst_port != 0)
		return 0;
	if (!read_packet(skb, &packet))
		return 0;
	if (packet.to.protocol == IPPROTO_TCP && (packet.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return 0;
	key->client = packet.from;
	key->listener = packet.to;
	// Who reads a datagram knows no more than where its socket is bound.
	if (sk->protocol == IPPROTO_UDP)
		bound_address(sk, &key->listener.address);
	if (skb->ifindex == LOOPBACK)
		cgroup = find_peer(skb, &packet.from, &packet.to, &party);
	guest.network = network_of_packet(skb);
	if (guest.network != 0)
		bpf_map_update_elem(&hd_guests, &guest, &cgroup, BPF_ANY);
	else
		bpf_map_update_elem(&hd_callers, key, &cgroup, BPF_ANY);
	return 0;
}

static __always_inline int tcp_packet(struct __sk_buff *skb, struct bpf_sock *sk, enum direction direction)
{
	struct state *state = read_state();
	struct judgement question = {.direction = direction};
	struct origin *origin = 0;

	if (!state)
		return DROP;
	// First: nearly every packet ends here.
	if (sk->state != BPF_TCP_LISTEN) {
		origin = bpf_sk_storage_get(&hd_origins, sk, 0, 0);
		if (origin && origin->track.generation == state->generation && origin->track.is_allowed)
			return PASS;
	}
	if (is_packet_of_agent(skb)) {
		if (direction == INBOUND)
			note_caller(skb, sk);
		return PASS;
	}
	// Who listens only answers to what was let in.
	if (sk->state == BPF_TCP_LISTEN && direction == OUTBOUND)
		return PASS;
	if (!read_packet(skb, &question.packet))
		return DROP;
	if (sk->state == BPF_TCP_LISTEN) {
		if ((question.packet.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
			return PASS;
		return ask_to_connect(skb, sk, &question, state->levels);
	}
	if (origin && origin->track.generation == state->generation) {
		// Told before, which may have been in vain.
		question.event.cookie = bpf_get_socket_cookie(skb);
		return drop_open(&question, CUT_AGAIN);
	}
	return judge_connection(skb, sk, &question, state);
}

static __always_inline void count_bytes(struct datagram_track *track, struct judgement *question)
{
	__u64 *bytes = question->direction == OUTBOUND ? &track->sent_bytes : &track->received_bytes;

	__sync_fetch_and_add(bytes, question->packet.data_bytes);
}

// The first one to somebody, or after a long silence. Those of clients were told when they were sent; queries for names
// are no flows.
static __noinline int begin_datagrams(struct bpf_sock *sk, struct datagram_key *key, struct judgement *question,
				      __u32 generation)
{
	struct datagram_track fresh = {};
	int is_client;

	if (!sk || !key || !question)
		return 0;
	is_client = question->event.role == ROLE_CLIENT;
	fresh.track.generation = generation;
	fresh.track.role = question->event.role;
	fresh.track.is_allowed = 1;
	fresh.from_identity = question->event.from_identity;
	fresh.local = question->direction == OUTBOUND ? question->packet.from : question->packet.to;
	fresh.cgroup = question->event.cgroup;
	fresh.begun_ns = bpf_ktime_get_ns();
	fresh.seen_ns = fresh.begun_ns;
	if (key->peer.protocol == IPPROTO_UDP)
		fresh.is_flow = is_client ? !is_name_server(question->network, &key->peer) : question->event.from_identity < FIRST_IDENTITY;
	count_bytes(&fresh, question);
	if (bpf_map_update_elem(&hd_tracks, key, &fresh, BPF_ANY) != 0 || !fresh.is_flow)
		return 0;
	count_begun(1);
	if (is_client)
		ends_with_socket(sk, key);
	else
		tell_packet(&question->event);
	return 0;
}

// Of UDP, and of whatever else a raw socket sends.
static __always_inline int datagram(struct __sk_buff *skb, struct bpf_sock *sk, enum direction direction)
{
	struct state *state = read_state();
	struct judgement question = {.direction = direction};
	struct datagram_key key = {};
	struct datagram_track *known;
	__u64 now = bpf_ktime_get_ns();
	__u32 role = direction == OUTBOUND ? ROLE_CLIENT : ROLE_SERVER;

	if (!state || !read_packet(skb, &question.packet))
		return DROP;
	// What the network says of itself; policies are not about it.
	if (question.packet.to.protocol == IPPROTO_ICMP || question.packet.to.protocol == ICMPV6)
		return PASS;
	key.cookie = bpf_get_socket_cookie(skb);
	key.peer = direction == OUTBOUND ? question.packet.to : question.packet.from;
	known = bpf_map_lookup_elem(&hd_tracks, &key);
	if (known && now - known->seen_ns >= forget_ns) {
		end_datagrams(&key);
		known = 0;
	}
	if (known) {
		role = known->track.role;
		if (known->track.generation == state->generation) {
			known->seen_ns = now;
			count_bytes(known, &question);
			return PASS;
		}
	}
	if (judge_packet(skb, sk, &question, state->levels, role)) {
		if (!known) {
			begin_datagrams(sk, &key, &question, state->generation);
			return PASS;
		}
		known->track.generation = state->generation;
		known->seen_ns = now;
		count_bytes(known, &question);
		return PASS;
	}
	if (known && question.event.verdict == VERDICT_NO_IDENTITY)
		return PASS;
	// Only what is allowed is remembered, so that nobody fills the map, nor decides who began.
	if (known)
		end_datagrams(&key);
	tell_packet(&question.event);
	return DROP;
}

static __always_inline int packet(struct __sk_buff *skb, enum direction direction)
{
	struct bpf_sock *sk = skb->sk;

	// A connection that is not whole yet sends nothing but what the kernel says for it.
	if (!sk)
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return PASS;
	// A raw socket has no connection, whatever it sends.
	if (sk->type == SOCK_STREAM && (sk->protocol == IPPROTO_TCP || sk->protocol == MPTCP))
		return tcp_packet(skb, sk, direction);
	if (is_packet_of_agent(skb)) {
		if (direction == INBOUND)
			note_caller(skb, sk);
		return PASS;
	}
	return datagram(skb, sk, direction);
}

// Of a cgroup that is none of the mesh's: only what programs have brought with them is judged, as long as they are
// members.
static __always_inline int packet_elsewhere(struct __sk_buff *skb, enum direction direction)
{
	struct bpf_sock *sk = skb->sk;
	__u64 cgroup;

	if (!sk)
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return PASS;
	cgroup = adopted_cgroup(sk);
	if (cgroup == 0 || !bpf_map_lookup_elem(&hd_members, &cgroup))
		return PASS;
	return packet(skb, direction);
}
