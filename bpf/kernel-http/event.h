// What the agent is told. A full ring loses events: the agent compares maps with its sockets now and then.
#pragma once
#include "maps.h"

static __noinline void kh_tell(const struct kh_event *event)
{
	__u32 zero = 0;
	__u64 *lost;

	if (bpf_ringbuf_output(&kh_events, (void *)event, sizeof(*event), 0) == 0)
		return;
	lost = bpf_map_lookup_elem(&kh_lost, &zero);
	if (lost)
		__sync_fetch_and_add(lost, 1);
}

static __noinline void kh_tell_of(__u32 kind, __u64 client, __u64 backend, __u32 pool)
{
	struct kh_event event = {.kind = kind, .pool = pool, .client = client, .backend = backend};

	kh_tell(&event);
}

static __always_inline void kh_count_reason(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&kh_reasons, &reason);

	if (count)
		__sync_fetch_and_add(count, 1);
}
