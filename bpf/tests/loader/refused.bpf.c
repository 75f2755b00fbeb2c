// The verifier must refuse this: the value may be missing.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

SEC("cgroup/connect4")
int without_check(struct bpf_sock_addr *ctx)
{
	__u32 key = ctx->user_ip4;
	__u64 *value = bpf_map_lookup_elem(&numbers, &key);

	return *value != 0;
}
