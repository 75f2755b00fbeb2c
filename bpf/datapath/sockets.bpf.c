// What programs of the mesh ask of their sockets: connect(), sendto(), recvfrom(), getpeername(), getsockopt().
//
// A virtual address is exchanged once, for one of the endpoints behind it or for the proxy, and policies are asked
// about what came of that. Programs of hooks fill in a plain struct and write the answer back.
#include "types.h"
#include "config.h"
#include "connection.h"
#include "maps.h"
#include "address.h"
#include "flow.h"
#include "names.h"
#include "policy.h"
#include "service.h"
#include "member.h"
#include "packet.h"
#include "request.h"
#include "option.h"

char _license[] SEC("license") = "Dual MIT/GPL";

#define REFUSE 0
#define PROCEED 1
#define EPERM 1
#define ECONNREFUSED 111

// In another network namespace all Services are reached by the proxy, at sockets that the agent has there.
static __noinline enum choice lead_abroad(struct request *request)
{
	struct abroad_key key = {};
	struct flow_event *event;
	struct endpoint *there;
	struct service *service;

	if (!request)
		return CHOICE_NOBODY;
	event = &request->event;
	service = bpf_map_lookup_elem(&hd_services, &event->asked);
	key.network = request->network;
	key.asked = event->asked;
	event->given = event->asked;
	if (!service)
		return CHOICE_NONE;
	event->service = service->id;
	request->block = service->block;
	there = service->slots == 0 ? 0 : bpf_map_lookup_elem(&hd_abroad, &key);
	if (!there)
		return CHOICE_NOBODY;
	event->given = *there;
	return CHOICE_MADE;
}

// Where a call leads, by Services alone. A datagram goes where the one before it went.
static __always_inline enum choice lead(struct request *request, const struct datagram_key *key)
{
	struct flow_event *event = &request->event;
	struct datagram_target *before;
	struct chosen chosen = {};
	enum choice choice;

	if (request->network != 0)
		return lead_abroad(request);
	before = key ? bpf_map_lookup_elem(&hd_sent, key) : 0;
	if (before) {
		struct service *service = bpf_map_lookup_elem(&hd_services, &event->asked);

		if (service && service->block == before->block) {
			event->given = before->given;
			event->service = service->id;
			request->block = service->block;
			return CHOICE_MADE;
		}
	}
	choice = choose(&event->asked, event->cgroup, &chosen);
	event->given = choice == CHOICE_MADE ? chosen.endpoint : event->asked;
	event->service = choice == CHOICE_NONE ? 0 : chosen.service.id;
	request->block = choice == CHOICE_NONE ? 0 : chosen.service.block;
	return choice;
}

static __always_inline int refuse(struct request *request, enum verdict verdict, int error)
{
	request->event.verdict = verdict;
	if (!request->is_quiet)
		tell(&request->event);
	bpf_set_retval(-error);
	return REFUSE;
}

// Who calls, before anything is asked about the call. Nobody that is known has identity 0.
static __always_inline void find_caller(struct request *request)
{
	struct state *state = read_state();

	if (!state)
		return;
	request->generation = state->generation;
	if (!member_of_current(state->levels, &request->from, &request->event.cgroup))
		request->from.identity = 0;
}

// Whether the caller may go where `given` says; all that is refused is told.
static __always_inline int admit(struct request *request)
{
	struct flow_event *event = &request->event;
	struct party peer;

	if (request->from.identity == 0)
		return refuse(request, VERDICT_NO_IDENTITY, EPERM);
	find_place(request->network, &event->given, &peer);
	if (judge(&request->from, &peer, &event->given, event))
		return PROCEED;
	return refuse(request, event->verdict, EPERM);
}

static __always_inline int is_datagram(const struct request *request)
{
	return request->event.asked.protocol == IPPROTO_UDP;
}

// What a datagram's answer is to seem to come from.
static __always_inline void remember_answer(const struct request *request)
{
	struct datagram_key key = {.cookie = request->event.cookie, .peer = request->event.given};
	struct endpoint asked = request->event.asked;

	bpf_map_update_elem(&hd_answers, &key, &asked, BPF_ANY);
}

// Whom the program believes to be connected to.
static __always_inline void remember_origin(struct bpf_sock_addr *ctx, const struct request *request, int is_flow)
{
	struct origin *origin = bpf_sk_storage_get(&hd_origins, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (origin) {
		origin->asked = request->event.asked;
		origin->given = request->event.given;
		// So that its packets are not judged once more.
		origin->track.generation = request->generation;
		origin->track.role = ROLE_CLIENT;
		origin->track.is_allowed = 1;
		origin->cgroup = request->event.cgroup;
		origin->asked_ns = is_flow ? bpf_ktime_get_ns() : 0;
		origin->opened_ns = 0;
	}
	if (is_datagram(request))
		remember_answer(request);
}

// Everybody may ask for names of the mesh; whether the resolver may be asked, too, is judged and noted for the agent.
// The agent tells what was asked for: such calls are no flows.
static __always_inline int ask_names(struct request *request, const struct endpoint *server)
{
	struct flow_event *event = &request->event;
	struct endpoint *open = name_server(NAMES_OPEN);
	struct question question = {};
	struct party resolver;

	if (request->from.identity == 0)
		return refuse(request, VERDICT_NO_IDENTITY, EPERM);
	find_place(request->network, &event->asked, &resolver);
	// The agent asks others in its place, and to reach it, as everybody may, is not to reach them.
	if (open && is_at(&event->asked, open))
		resolver.identity = 0;
	judge(&request->from, &resolver, &event->asked, event);
	question.cgroup = event->cgroup;
	question.asked = event->asked;
	question.verdict = event->verdict;
	bpf_map_update_elem(&hd_questions, &event->cookie, &question, BPF_ANY);
	event->given = *server;
	event->given.protocol = event->asked.protocol;
	return PROCEED;
}

// Where a socket's next datagrams go that are sent there.
static __always_inline void remember_target(const struct request *request, const struct endpoint *there)
{
	struct datagram_key key = {.cookie = request->event.cookie, .peer = *there};
	struct datagram_target target = {.given = request->event.given, .block = request->block};

	target.told_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&hd_sent, &key, &target, BPF_ANY);
}

// Whether datagrams go where those before them went.
static __always_inline int was_told(const struct request *request)
{
	const struct flow_event *event = &request->event;
	struct datagram_key key = {.cookie = event->cookie, .peer = event->asked};
	struct datagram_target *before = bpf_map_lookup_elem(&hd_sent, &key);

	if (!before || before->block != request->block || !endpoint_equals(&before->given, &event->given))
		return 0;
	key.peer = event->given;
	return is_told(before, &key);
}

// connect(). Returns PROCEED with `given` to be written, or REFUSE.
static __always_inline int open_connection(struct bpf_sock_addr *ctx, struct request *request, int only_v4)
{
	struct flow_event *event = &request->event;
	struct endpoint names = {};
	enum choice choice;
	int asks, has_names;

	find_caller(request);
	choice = lead(request, 0);
	asks = choice == CHOICE_NONE && asks_names(&event->asked);
	has_names = asks && name_server_for(request->network, &event->asked, &names);
	if (has_names) {
		if (ask_names(request, &names) == REFUSE)
			return REFUSE;
		remember_origin(ctx, request, 0);
		return PROCEED;
	}
	// getaddrinfo() of glibc connects datagrams to the addresses of a name to sort them, and never sends one.
	request->is_quiet = choice == CHOICE_NONE && is_datagram(request) && address_is_virtual(&event->asked.address);
	// Another namespace where the agent is not yet.
	if (asks && !has_names)
		choice = CHOICE_NOBODY;
	if (choice == CHOICE_NOBODY || (only_v4 && !address_is_v4(&event->given.address)))
		return refuse(request, VERDICT_NO_ENDPOINT, ECONNREFUSED);
	if (admit(request) == REFUSE)
		return REFUSE;
	if (choice == CHOICE_MADE || !is_datagram(request))
		remember_origin(ctx, request, !is_datagram(request));
	if (is_datagram(request) && !request->is_quiet) {
		// A socket of IPv6 that is connected to an address of IPv4 calls sendmsg() with it each time.
		request->block = 0;
		remember_target(request, &event->given);
	}
	if (!request->is_quiet)
		tell(event);
	return PROCEED;
}

// sendto() and sendmsg() of datagrams with an address.
static __always_inline int send_datagram(struct request *request, int is_v4)
{
	struct flow_event *event = &request->event;
	struct datagram_key key = {.cookie = event->cookie, .peer = event->asked};
	struct endpoint names = {};
	enum choice choice;
	int asks, has_names;

	// An answer: policies ask about what it answers, and that is done by its packet.
	if (answers_somebody(&key)) {
		event->given = event->asked;
		return PROCEED;
	}
	find_caller(request);
	choice = lead(request, &key);
	asks = choice == CHOICE_NONE && asks_names(&event->asked);
	has_names = asks && name_server_for(request->network, &event->asked, &names);
	if (has_names && address_is_v4(&names.address) == is_v4) {
		if (ask_names(request, &names) == REFUSE)
			return REFUSE;
		remember_answer(request);
		return PROCEED;
	}
	if (asks && request->network != 0)
		choice = CHOICE_NOBODY;
	// The kernel cannot turn a datagram of IPv6 into one of IPv4 here, nor the other way round.
	if (choice == CHOICE_NOBODY || address_is_v4(&event->given.address) != is_v4)
		return refuse(request, VERDICT_NO_ENDPOINT, ECONNREFUSED);
	if (admit(request) == REFUSE)
		return REFUSE;
	if (was_told(request))
		return PROCEED;
	remember_target(request, &event->asked);
	if (choice == CHOICE_MADE)
		remember_answer(request);
	tell(event);
	return PROCEED;
}

SEC("cgroup/connect4")
int hd_connect4(struct bpf_sock_addr *ctx)
{
	struct request request = {};

	if (is_agent())
		return PROCEED;
	request_from_v4(&request, ctx);
	request_to_self(&request, ctx);
	if (open_connection(ctx, &request, 1) == REFUSE)
		return REFUSE;
	write_v4(ctx, &request.event.given);
	return PROCEED;
}

SEC("cgroup/connect6")
int hd_connect6(struct bpf_sock_addr *ctx)
{
	struct request request = {};

	if (is_agent())
		return PROCEED;
	request_from_v6(&request, ctx);
	request_to_self(&request, ctx);
	if (open_connection(ctx, &request, 0) == REFUSE)
		return REFUSE;
	write_v6(ctx, &request.event.given);
	return PROCEED;
}

SEC("cgroup/sendmsg4")
int hd_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct request request = {};

	if (is_agent())
		return PROCEED;
	request_from_v4(&request, ctx);
	request_to_self(&request, ctx);
	if (send_datagram(&request, 1) == REFUSE)
		return REFUSE;
	write_v4(ctx, &request.event.given);
	return PROCEED;
}

SEC("cgroup/sendmsg6")
int hd_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct request request = {};

	if (is_agent())
		return PROCEED;
	request_from_v6(&request, ctx);
	request_to_self(&request, ctx);
	if (send_datagram(&request, 0) == REFUSE)
		return REFUSE;
	write_v6(ctx, &request.event.given);
	return PROCEED;
}

// Whom a received datagram came from, as the program knows them.
static __always_inline struct endpoint *sender(struct request *request)
{
	struct datagram_key key = {.cookie = request->event.cookie, .peer = request->event.asked};

	return bpf_map_lookup_elem(&hd_answers, &key);
}

SEC("cgroup/recvmsg4")
int hd_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct request request = {};
	struct endpoint *asked;

	request_from_v4(&request, ctx);
	asked = sender(&request);
	if (asked)
		write_v4(ctx, asked);
	return PROCEED;
}

SEC("cgroup/recvmsg6")
int hd_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct request request = {};
	struct endpoint *asked;

	request_from_v6(&request, ctx);
	asked = sender(&request);
	if (asked)
		write_v6(ctx, asked);
	return PROCEED;
}

// Where the program asked to go, if it is still connected to where it was led.
static __always_inline struct origin *origin_of(struct bpf_sock_addr *ctx, const struct request *request)
{
	struct origin *origin = bpf_sk_storage_get(&hd_origins, ctx->sk, 0, 0);

	return origin && endpoint_equals(&origin->given, &request->event.asked) ? origin : 0;
}

SEC("cgroup/getpeername4")
int hd_getpeername4(struct bpf_sock_addr *ctx)
{
	struct request request = {};
	struct origin *origin;

	request_from_v4(&request, ctx);
	origin = origin_of(ctx, &request);
	if (origin)
		write_v4(ctx, &origin->asked);
	return PROCEED;
}

SEC("cgroup/getpeername6")
int hd_getpeername6(struct bpf_sock_addr *ctx)
{
	struct request request = {};
	struct origin *origin;

	request_from_v6(&request, ctx);
	origin = origin_of(ctx, &request);
	if (origin)
		write_v6(ctx, &origin->asked);
	return PROCEED;
}

SEC("cgroup/getsockopt")
int hd_getsockopt(struct bpf_sockopt *ctx)
{
	answer_option(ctx);
	return PROCEED;
}

// What a socket of the mesh gets, also from those whose connect() nobody has seen.
SEC("cgroup_skb/ingress")
int hd_ingress(struct __sk_buff *skb)
{
	return packet(skb, INBOUND);
}

// What a socket of the mesh sends, however it does.
SEC("cgroup_skb/egress")
int hd_egress(struct __sk_buff *skb)
{
	return packet(skb, OUTBOUND);
}

// The same for sockets of programs that have joined, in the cgroup where they were made.
SEC("cgroup_skb/ingress")
int hd_in_adopted(struct __sk_buff *skb)
{
	return packet_elsewhere(skb, INBOUND);
}

SEC("cgroup_skb/egress")
int hd_out_adopted(struct __sk_buff *skb)
{
	return packet_elsewhere(skb, OUTBOUND);
}

// Sockets that were given up. It can't be held up.
SEC("cgroup/sock_release")
int hd_release(struct bpf_sock *sk)
{
	struct datagram_key *last;
	struct datagram_key key;

	if (sk->protocol != IPPROTO_UDP)
		return PROCEED;
	last = bpf_sk_storage_get(&hd_last, sk, 0, 0);
	if (!last)
		return PROCEED;
	key = *last;
	end_datagrams(&key);
	return PROCEED;
}

// Says nothing to TCP itself.
SEC("sockops")
int hd_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connection_begins(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		connection_opens(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			connection_ends(ctx, ctx->args[0]);
		break;
	}
	return 1;
}
