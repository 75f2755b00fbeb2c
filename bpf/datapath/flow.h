// Events for user space: who spoke to whom, and what came of it.
#pragma once
#include "maps.h"

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&hd_lost, &zero);

	if (lost)
		(*lost)++;
}

// A wake-up costs more than all else that is done for a connection: one in a while does. Whoever was woken looks again
// a little later than this, for what came without.
#define WAKE_NS 10000000ULL

static __always_inline __u64 wake_flags(__u64 now)
{
	__u32 zero = 0;
	__u64 *woken = bpf_map_lookup_elem(&hd_woken, &zero);

	if (!woken || now - *woken >= WAKE_NS) {
		if (woken)
			*woken = now;
		return 0;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void tell(struct flow_event *event)
{
	event->time_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&hd_flows, event, sizeof(*event), wake_flags(event->time_ns)) != 0)
		count_lost();
}

// A function of its own, so that the object has the type.
static __noinline int tell_end(struct flow_end *end)
{
	if (!end)
		return 0;
	end->flow.time_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&hd_flows, end, sizeof(*end), wake_flags(end->flow.time_ns)) != 0)
		count_lost();
	return 0;
}

// Packets cost whoever sends them nothing: no more than this is told of them in a second and on a CPU.
#define MOST_TOLD 1000
#define SECOND_NS 1000000000ULL

static __always_inline int may_tell_packet(void)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 zero = 0;
	struct told *told = bpf_map_lookup_elem(&hd_told, &zero);

	if (!told)
		return 0;
	if (now - told->since_ns > SECOND_NS) {
		told->since_ns = now;
		told->count = 0;
	}
	if (++told->count <= MOST_TOLD)
		return 1;
	count_lost();
	return 0;
}

static __always_inline void tell_packet(struct flow_event *event)
{
	if (may_tell_packet())
		tell(event);
}
