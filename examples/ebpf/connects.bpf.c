// Counts connections by destination, for the processes of a cgroup.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

struct destination {
	__u8 address[4];
	// As on the wire.
	__u16 port_be;
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct destination);
	__type(value, __u64);
} connects SEC(".maps");

struct connect_event {
	__u32 process;
	struct destination to;
};

// Keeps the type in BTF.
const struct connect_event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");

SEC("cgroup/connect4")
int on_connect(struct bpf_sock_addr *ctx)
{
	struct connect_event event = { .process = bpf_get_current_pid_tgid() >> 32 };
	__u32 address = ctx->user_ip4;
	__u64 one = 1;
	__u64 *count;

	__builtin_memcpy(event.to.address, &address, 4);
	event.to.port_be = ctx->user_port;
	count = bpf_map_lookup_elem(&connects, &event.to);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&connects, &event.to, &one, BPF_NOEXIST);
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	// 1 lets it go on.
	return 1;
}
