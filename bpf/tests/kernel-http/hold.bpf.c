// Holds a thread between the program that redirected its bytes and their arrival, as another thread of its CPU would. The
// kernel allocates a message there.
#include <kernel-http/types.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

// That of the path.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct kh_client);
} kh_clients SEC(".maps");

#define MOST_NS 5000000000ull

// Cookie of the client whose first response is held; 0 for none.
volatile __u64 held = 0;
// Process of the endpoint.
volatile __u32 process = 0;
// Whether a thread is held now.
volatile __u32 is_holding = 0;

static long on_turn(__u32 index, __u64 *end)
{
	return held == 0 || bpf_ktime_get_ns() > *end;
}

SEC("tp_btf/kmalloc")
int hold(__u64 *ctx)
{
	__u64 end = bpf_ktime_get_ns() + MOST_NS, cookie = held;
	struct kh_client *client;

	if (cookie == 0 || bpf_get_current_pid_tgid() >> 32 != process)
		return 0;
	client = bpf_map_lookup_elem(&kh_clients, &cookie);
	if (!client || client->promised == 0)
		return 0;
	is_holding = 1;
	for (int i = 0; i < 64; i++)
		bpf_loop(1 << 22, on_turn, &end, 0);
	is_holding = 0;
	return 0;
}
