// Small HTTP messages between programs of a node (docs/decisions/0012): which connections are of the path, and what becomes
// of what is sent by them.
#include "backend.h"
#include "queue.h"
#include <bpf/bpf_endian.h>

char _license[] SEC("license") = "Dual MIT/GPL";

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOL_SOCKET 1
#define SO_ZEROCOPY 60
#define IPPROTO_TCP 6
#define TCP_DEFER_ACCEPT 9

static __always_inline void kh_place_v4(struct kh_place *place, __be32 ip, __be16 port)
{
	place->address[10] = 0xff;
	place->address[11] = 0xff;
	__builtin_memcpy(&place->address[12], &ip, 4);
	place->port_be = port;
}

// Id of the cgroup that says who the current program is.
static __always_inline __u64 kh_caller(void)
{
	__u32 levels = joined_levels;

	for (int level = 1; levels && level <= KH_MOST_LEVELS; level++) {
		__u64 cgroup;

		if (!(levels & (1u << level)))
			continue;
		cgroup = bpf_get_current_ancestor_cgroup_id(level);
		if (bpf_map_lookup_elem(&kh_joined, &cgroup))
			return cgroup;
	}
	return bpf_get_current_ancestor_cgroup_id(member_level);
}

static __always_inline int kh_remember_caller(struct bpf_sock_addr *ctx, struct kh_listener *listener)
{
	struct kh_socket *socket;
	__u64 caller;

	listener->netns = bpf_get_netns_cookie(ctx);
	if (ctx->type != SOCK_STREAM || !bpf_map_lookup_elem(&kh_listeners, listener))
		return 1;
	caller = kh_caller();
	if (agent_cgroup && caller == agent_cgroup)
		return 1;
	socket = bpf_sk_storage_get(&kh_storage, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (socket)
		socket->caller = caller;
	return 1;
}

// Here the current task is who calls; it need not be later.
SEC("cgroup/connect4")
int kh_connect4(struct bpf_sock_addr *ctx)
{
	struct kh_listener listener = {};

	kh_place_v4(&listener.place, ctx->user_ip4, ctx->user_port);
	return kh_remember_caller(ctx, &listener);
}

SEC("cgroup/connect6")
int kh_connect6(struct bpf_sock_addr *ctx)
{
	__u32 words[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	struct kh_listener listener = {};

	__builtin_memcpy(listener.place.address, words, 16);
	listener.place.port_be = ctx->user_port;
	return kh_remember_caller(ctx, &listener);
}

static __always_inline void kh_read_pair(struct bpf_sock_ops *ctx, struct kh_place *remote, struct kh_place *local)
{
	__be16 remote_port = ctx->remote_port >> 16 ? bpf_htons(bpf_ntohl(ctx->remote_port)) : (__be16)ctx->remote_port;
	__be16 local_port = bpf_htons(ctx->local_port);

	if (ctx->family == AF_INET) {
		kh_place_v4(remote, ctx->remote_ip4, remote_port);
		kh_place_v4(local, ctx->local_ip4, local_port);
		return;
	}
	// One word at a time: wider loads are refused.
#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u32 there = *(volatile __u32 *)&ctx->remote_ip6[i];
		__u32 here = *(volatile __u32 *)&ctx->local_ip6[i];

		__builtin_memcpy(&remote->address[4 * i], &there, 4);
		__builtin_memcpy(&local->address[4 * i], &here, 4);
	}
	remote->port_be = remote_port;
	local->port_be = local_port;
}

// Whether the socket is in the map now. Its state is written before, since programs run from then on.
static __always_inline int kh_insert(struct bpf_sock_ops *ctx, __u64 *cookie)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return bpf_sock_hash_update(ctx, &kh_sockets, cookie, BPF_NOEXIST) == 0;
}

// C, if it leads to a Service that opted in. MPTCP is refused by the map.
static __always_inline void kh_client_opens(struct bpf_sock_ops *ctx)
{
	struct kh_event event = {.kind = KH_CLIENT_OPENED};
	struct kh_listener listener = {};
	struct kh_client client = {};
	struct kh_socket *socket = ctx->sk ? bpf_sk_storage_get(&kh_storage, ctx->sk, 0, 0) : 0;
	__u32 *service;
	__u64 cookie;

	// Where a cgroup lies in another one that has this program, too, the second run finds a client.
	if (!socket || socket->role != KH_NOBODY)
		return;
	// As A sees it: from the other side.
	event.pair.netns = bpf_get_netns_cookie(ctx);
	kh_read_pair(ctx, &event.pair.local, &event.pair.remote);
	listener.netns = event.pair.netns;
	listener.place = event.pair.local;
	service = bpf_map_lookup_elem(&kh_listeners, &listener);
	if (!service)
		return;
	if (kh_is_zero_copy(ctx->sk)) {
		kh_count_reason(KH_ZERO_COPY_SENDER);
		return;
	}
	if (bpf_map_lookup_elem(&kh_not_reading, &socket->caller)) {
		kh_count_reason(KH_NOT_READING);
		return;
	}
	cookie = bpf_get_socket_cookie(ctx);
	event.client = cookie;
	client.service = *service;
	socket->cookie = cookie;
	socket->service = *service;
	if (bpf_map_update_elem(&kh_clients, &cookie, &client, BPF_ANY) != 0)
		return;
	bpf_map_update_elem(&kh_pairs, &event.pair, &cookie, BPF_ANY);
	socket->role = KH_CLIENT;
	if (kh_insert(ctx, &cookie)) {
		kh_tell(&event);
		return;
	}
	// Nobody has been told of it.
	socket->role = KH_NOBODY;
	bpf_map_delete_elem(&kh_pairs, &event.pair);
	bpf_map_delete_elem(&kh_clients, &cookie);
}

// B, if the agent has announced it.
static __always_inline void kh_backend_opens(struct bpf_sock_ops *ctx)
{
	struct kh_event event = {.kind = KH_BACKEND_OPENED};
	struct kh_backend backend = {};
	struct kh_expected *expected;
	struct kh_socket *socket;
	__u64 cookie;
	void *pool;

	event.pair.netns = bpf_get_netns_cookie(ctx);
	kh_read_pair(ctx, &event.pair.remote, &event.pair.local);
	expected = bpf_map_lookup_elem(&kh_expected, &event.pair);
	if (!expected || !ctx->sk)
		return;
	socket = bpf_sk_storage_get(&kh_storage, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket || socket->role != KH_NOBODY)
		return;
	cookie = bpf_get_socket_cookie(ctx);
	event.backend = cookie;
	event.pool = expected->pool;
	if (kh_is_zero_copy(ctx->sk)) {
		event.kind = KH_ZERO_COPY;
		kh_tell(&event);
		return;
	}
	backend.pool = expected->pool;
	socket->cookie = cookie;
	if (bpf_map_update_elem(&kh_backends, &cookie, &backend, BPF_ANY) != 0)
		return;
	socket->role = KH_BACKEND;
	if (!kh_insert(ctx, &cookie)) {
		socket->role = KH_NOBODY;
		bpf_map_delete_elem(&kh_backends, &cookie);
		return;
	}
	expected->cookie = cookie;
	kh_tell(&event);
	pool = bpf_map_lookup_elem(&kh_pools, &event.pool);
	if (pool)
		bpf_map_push_elem(pool, &cookie, 0);
}

static __always_inline void kh_closes(struct bpf_sock_ops *ctx)
{
	struct kh_socket *socket = ctx->sk ? bpf_sk_storage_get(&kh_storage, ctx->sk, 0, 0) : 0;
	struct kh_event event = {};

	if (!socket || socket->role == KH_NOBODY)
		return;
	if (socket->role == KH_CLIENT) {
		event.kind = KH_CLIENT_CLOSED;
		event.client = socket->cookie;
		event.pair.netns = bpf_get_netns_cookie(ctx);
		kh_read_pair(ctx, &event.pair.local, &event.pair.remote);
		bpf_map_delete_elem(&kh_pairs, &event.pair);
	} else {
		event.kind = KH_BACKEND_CLOSED;
		event.backend = socket->cookie;
	}
	socket->role = KH_NOBODY;
	kh_tell(&event);
}

SEC("sockops")
int kh_sockops(struct bpf_sock_ops *ctx)
{
	if (ctx->family != AF_INET && ctx->family != AF_INET6)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		kh_client_opens(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		kh_backend_opens(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			kh_closes(ctx);
		break;
	}
	return 1;
}

SEC("sk_msg")
int kh_message(struct sk_msg_md *msg)
{
	struct kh_socket *socket = msg->sk ? bpf_sk_storage_get(&kh_storage, msg->sk, 0, 0) : 0;

	if (!socket)
		return SK_PASS;
	if (kh_is_rest(msg, socket))
		return kh_pass_rest(msg, socket);
	if (socket->role == KH_CLIENT)
		return kh_from_client(msg, socket);
	if (socket->role == KH_BACKEND)
		return kh_from_backend(msg, socket);
	return SK_PASS;
}

// A server that is told of connections only with their first bytes (Apache asks for that) has none that wait for a request: they are
// not established before. It loses nothing but that, so the option is taken and does nothing.
static __always_inline int kh_do_not_defer(struct bpf_sockopt *ctx)
{
	int *seconds = ctx->optval;

	if ((void *)(seconds + 1) <= ctx->optval_end)
		*seconds = 0;
	return 1;
}

// Data of MSG_ZEROCOPY arrive, and the sender is never told that its memory is free again. Who asks before it is connected stays off
// the path; on the path it is too late, and EPERM tells the program to copy.
SEC("cgroup/setsockopt")
int kh_setsockopt(struct bpf_sockopt *ctx)
{
	int *value = ctx->optval;
	struct kh_event event = {.kind = KH_ZERO_COPY};
	struct kh_socket *socket;

	if (ctx->level == IPPROTO_TCP && ctx->optname == TCP_DEFER_ACCEPT)
		return kh_do_not_defer(ctx);
	if (ctx->level != SOL_SOCKET || ctx->optname != SO_ZEROCOPY || !ctx->sk)
		return 1;
	if ((void *)(value + 1) > ctx->optval_end || *value == 0)
		return 1;
	socket = bpf_sk_storage_get(&kh_storage, ctx->sk, 0, 0);
	if (!socket || socket->role == KH_NOBODY)
		return 1;
	if (socket->role == KH_CLIENT)
		event.client = socket->cookie;
	else
		event.backend = socket->cookie;
	kh_tell(&event);
	return 0;
}
