// A ring buffer that programs fill: submitted, discarded and lost records.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

struct event {
	__u64 number;
	__u32 length;
	char text[8];
};

// Keeps the type in BTF.
const struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} events_lost SEC(".maps");

__u64 number;

static __always_inline void lost(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&events_lost, &zero);

	if (count)
		*count += 1;
}

SEC("tc")
int send(struct __sk_buff *skb)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lost();
		return 1;
	}
	event->number = number++;
	event->length = skb->len;
	__builtin_memcpy(event->text, "sent", 8);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tc")
int discard(struct __sk_buff *skb)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lost();
		return 1;
	}
	bpf_ringbuf_discard(event, 0);
	return 0;
}
