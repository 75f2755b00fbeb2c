// A call of a program as a plain struct, with addresses of one form for both families, and the answer written back.
#pragma once
#include "address.h"
#include "flow.h"
#include "member.h"
#include "policy.h"

// A call as it comes, and where it is to go.
struct request {
	struct flow_event event;
	struct party from;
	// Of the socket's namespace; 0 for the agent's.
	__u64 network;
	__u32 block;
	// Of policies by which it is judged.
	__u32 generation;
	// Judged like any other, and not told of.
	__u32 is_quiet;
};

static __always_inline void request_begin(struct request *request, struct bpf_sock_addr *ctx)
{
	__u32 protocol = ctx->protocol;

	request->event.asked.port_be = ctx->user_port;
	request->event.asked.protocol = protocol == MPTCP ? IPPROTO_TCP : protocol;
	request->event.cookie = bpf_get_socket_cookie(ctx);
	request->event.role = ROLE_CLIENT;
	request->network = home_network == 0 ? 0 : network_abroad(bpf_get_netns_cookie(ctx));
}

static __always_inline void request_from_v4(struct request *request, struct bpf_sock_addr *ctx)
{
	request_begin(request, ctx);
	address_from_v4(&request->event.asked.address, ctx->user_ip4);
}

static __always_inline void request_from_v6(struct request *request, struct bpf_sock_addr *ctx)
{
	__u32 words[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	request_begin(request, ctx);
	__builtin_memcpy(request->event.asked.address.bytes, words, 16);
}

// No address at all means this machine itself. The kernel would put that in only after this program, and what comes of
// connect() is not judged again.
static __always_inline void request_to_self(struct request *request, struct bpf_sock_addr *ctx)
{
	struct address *to = &request->event.asked.address;
	struct address none = {};

	if (address_is_v4(to) && address_v4(to) == 0) {
		struct bpf_sock *sk = ctx->sk;
		__be32 own = sk ? sk->src_ip4 : 0;

		address_from_v4(to, own ? own : bpf_htonl(0x7f000001));
	} else if (address_equals(to, &none)) {
		to->bytes[15] = 1;
	}
}

static __always_inline void write_v4(struct bpf_sock_addr *ctx, const struct endpoint *to)
{
	ctx->user_ip4 = address_v4(&to->address);
	ctx->user_port = to->port_be;
}

static __always_inline void write_v6(struct bpf_sock_addr *ctx, const struct endpoint *to)
{
	__u32 words[4];

	__builtin_memcpy(words, to->address.bytes, 16);
	ctx->user_ip6[0] = words[0];
	ctx->user_ip6[1] = words[1];
	ctx->user_ip6[2] = words[2];
	ctx->user_ip6[3] = words[3];
	ctx->user_port = to->port_be;
}
