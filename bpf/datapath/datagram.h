// Datagrams between a socket and somebody: who began, how much it was, and that it is over.
#pragma once
#include "config.h"
#include "flow.h"
#include "maps.h"

// Whether it was the other end of a socket that began to send.
static __always_inline int answers_somebody(const struct datagram_key *key)
{
	struct datagram_track *known = bpf_map_lookup_elem(&hd_tracks, key);

	return known && known->track.role == ROLE_SERVER && bpf_ktime_get_ns() - known->seen_ns < forget_ns;
}

// Told, and not over since.
static __always_inline int is_told(const struct datagram_target *target, const struct datagram_key *given)
{
	struct datagram_track *known = bpf_map_lookup_elem(&hd_tracks, given);
	__u64 last_ns = known ? known->seen_ns : target->told_ns;

	return bpf_ktime_get_ns() - last_ns < forget_ns;
}

static __always_inline void count_begun(__u64 more)
{
	__u32 zero = 0;
	__u64 *begun = bpf_map_lookup_elem(&hd_begun, &zero);

	if (begun)
		*begun += more;
}

static __always_inline void ends_with_socket(struct bpf_sock *sk, const struct datagram_key *key)
{
	struct datagram_key *last = bpf_sk_storage_get(&hd_last, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (last)
		*last = *key;
}

// Tells what there was, and forgets it. Whoever deletes it first tells.
static __noinline int end_datagrams(struct datagram_key *key)
{
	struct datagram_track *track;
	struct endpoint *asked;
	struct flow_end *end;

	if (!key)
		return 0;
	track = bpf_map_lookup_elem(&hd_tracks, key);
	if (!track)
		return 0;
	if (!track->is_flow) {
		bpf_map_delete_elem(&hd_tracks, key);
		return 0;
	}
	asked = track->track.role == ROLE_CLIENT ? bpf_map_lookup_elem(&hd_answers, key) : 0;
	end = bpf_ringbuf_reserve(&hd_flows, sizeof(*end), 0);
	if (!end) {
		if (bpf_map_delete_elem(&hd_tracks, key) == 0) {
			count_begun(-1ULL);
			count_lost();
		}
		return 0;
	}
	__builtin_memset(end, 0, sizeof(*end));
	end->flow.time_ns = bpf_ktime_get_ns();
	end->flow.role = track->track.role;
	end->flow.cgroup = track->cgroup;
	end->flow.cookie = key->cookie;
	end->flow.verdict = VERDICT_ALLOWED;
	end->flow.from_identity = track->from_identity;
	end->flow.given = track->track.role == ROLE_CLIENT ? key->peer : track->local;
	end->flow.asked = asked ? *asked : end->flow.given;
	end->sent_bytes = track->sent_bytes;
	end->received_bytes = track->received_bytes;
	end->duration_ns = track->seen_ns - track->begun_ns;
	// An entry that is deleted may be another's at once: it was read before.
	if (bpf_map_delete_elem(&hd_tracks, key) != 0) {
		bpf_ringbuf_discard(end, BPF_RB_NO_WAKEUP);
		return 0;
	}
	count_begun(-1ULL);
	bpf_ringbuf_submit(end, wake_flags(bpf_ktime_get_ns()));
	return 0;
}
