// What becomes of a connection of TCP after connect(): when it is there, and what it was when it is over.
#pragma once
#include "flow.h"
#include "maps.h"

static __always_inline int peer_has_ended(int state)
{
	return state == BPF_TCP_FIN_WAIT2 || state == BPF_TCP_CLOSE_WAIT || state == BPF_TCP_LAST_ACK ||
	       state == BPF_TCP_CLOSING || state == BPF_TCP_TIME_WAIT;
}

static __always_inline int end_was_taken(int state)
{
	return state == BPF_TCP_FIN_WAIT2 || state == BPF_TCP_LAST_ACK || state == BPF_TCP_CLOSING ||
	       state == BPF_TCP_TIME_WAIT;
}

// TCP counts its SYN and its FIN as a byte each.
static __always_inline __u64 without(__u64 bytes, __u64 marks)
{
	return bytes > marks ? bytes - marks : 0;
}

static __always_inline void connection_ends(struct bpf_sock_ops *ctx, int state)
{
	struct bpf_sock *socket = ctx->sk;
	struct origin *origin = socket ? bpf_sk_storage_get(&hd_origins, socket, 0, 0) : 0;
	struct flow_end end = {};

	if (!origin || origin->asked_ns == 0)
		return;
	end.flow.role = ROLE_CLIENT;
	end.flow.verdict = VERDICT_ALLOWED;
	end.flow.cgroup = origin->cgroup;
	end.flow.cookie = bpf_get_socket_cookie(ctx);
	end.flow.asked = origin->asked;
	end.flow.given = origin->given;
	end.duration_ns = bpf_ktime_get_ns() - origin->asked_ns;
	if (origin->opened_ns != 0) {
		end.connect_ns = origin->opened_ns - origin->asked_ns;
		end.sent_bytes = without(ctx->bytes_acked, end_was_taken(state) ? 2 : 1);
		end.received_bytes = without(ctx->bytes_received, peer_has_ended(state) ? 1 : 0);
		end.round_trip_us = ctx->srtt_us >> 3;
	}
	// The socket may connect anew.
	origin->asked_ns = 0;
	tell_end(&end);
}

static __always_inline void connection_opens(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *socket = ctx->sk;
	struct origin *origin = socket ? bpf_sk_storage_get(&hd_origins, socket, 0, 0) : 0;

	if (origin)
		origin->opened_ns = bpf_ktime_get_ns();
}

// Only connections that were asked for in the mesh are watched.
static __always_inline void connection_begins(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *socket = ctx->sk;

	if (socket && bpf_sk_storage_get(&hd_origins, socket, 0, 0))
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}
