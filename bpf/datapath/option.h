// SO_ORIGINAL_DST: what was asked for, before it was led; the question of transparent proxies, which netfilter answers where
// it has led. Both ends may ask.
#pragma once
#include "address.h"
#include "maps.h"
#include <bpf/bpf_endian.h>
#include <linux/in.h>
#include <linux/in6.h>

#define SOL_IP 0
#define SOL_IPV6 41
// Of both levels.
#define SO_ORIGINAL_DST 80
// The kernel shows no more of an option's value to programs.
#define MOST_OPTION_BYTES 4096

static __always_inline void ends_of(struct bpf_sock *sk, struct caller_key *key)
{
	if (sk->family == AF_INET) {
		address_from_v4(&key->client.address, sk->dst_ip4);
		address_from_v4(&key->listener.address, sk->src_ip4);
	} else {
		__u32 there[4] = {sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3]};
		__u32 here[4] = {sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]};

		__builtin_memcpy(key->client.address.bytes, there, 16);
		__builtin_memcpy(key->listener.address.bytes, here, 16);
	}
	key->client.port_be = sk->dst_port;
	key->client.protocol = IPPROTO_TCP;
	key->listener.port_be = bpf_htons(sk->src_port);
	key->listener.protocol = IPPROTO_TCP;
}

// 0 for a connection that was led nowhere, and for all else.
static __always_inline struct endpoint *asked_of(struct bpf_sock *sk)
{
	struct origin *origin = bpf_sk_storage_get(&hd_origins, sk, 0, 0);
	struct caller_key key = {};

	if (origin && origin->track.role == ROLE_CLIENT)
		return endpoint_equals(&origin->asked, &origin->given) ? 0 : &origin->asked;
	ends_of(sk, &key);
	return bpf_map_lookup_elem(&hd_asked, &key);
}

// One by one, as the verifier wants fields of the context to be written.
static __always_inline void has_answered(struct bpf_sockopt *ctx, __s32 bytes)
{
	*(volatile __s32 *)&ctx->optlen = bytes;
	*(volatile __s32 *)&ctx->retval = 0;
}

static __always_inline void answer_v4(struct bpf_sockopt *ctx, const struct endpoint *asked)
{
	struct sockaddr_in *answer = ctx->optval;

	if ((void *)(answer + 1) > ctx->optval_end || !address_is_v4(&asked->address))
		return;
	__builtin_memset(answer, 0, sizeof(*answer));
	answer->sin_family = AF_INET;
	answer->sin_port = asked->port_be;
	answer->sin_addr.s_addr = address_v4(&asked->address);
	has_answered(ctx, sizeof(*answer));
}

static __always_inline void answer_v6(struct bpf_sockopt *ctx, const struct endpoint *asked)
{
	struct sockaddr_in6 *answer = ctx->optval;

	if ((void *)(answer + 1) > ctx->optval_end)
		return;
	__builtin_memset(answer, 0, sizeof(*answer));
	answer->sin6_family = AF_INET6;
	answer->sin6_port = asked->port_be;
	__builtin_memcpy(&answer->sin6_addr, asked->address.bytes, 16);
	has_answered(ctx, sizeof(*answer));
}

// What is none of ours is answered as it was.
static __always_inline void answer_option(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint *asked;

	if (ctx->optname != SO_ORIGINAL_DST || (ctx->level != SOL_IP && ctx->level != SOL_IPV6)) {
		// Older kernels take it for ours, and too long.
		if (ctx->optlen > MOST_OPTION_BYTES)
			ctx->optlen = 0;
		return;
	}
	asked = sk && sk->protocol == IPPROTO_TCP ? asked_of(sk) : 0;
	if (!asked)
		return;
	if (ctx->level == SOL_IP)
		answer_v4(ctx, asked);
	else
		answer_v6(ctx, asked);
}
