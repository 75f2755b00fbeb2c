// What the path relies on and no kernel promises, for src/kernel-http/self-test.ts: does with each message what it is told, and
// notes what it saw.
#include "kernel.h"
#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 16);
	__type(key, __u64);
	__type(value, __u64);
} st_sockets SEC(".maps");

// Bytes that a socket has read, by its descriptor.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} st_read SEC(".maps");

// Where messages go to; 0: as if there were no program.
volatile __u64 target = 0;
// Only so many bytes of the next message go there; its rest goes on as if there were no program. 0 for all.
volatile __u32 take = 0;
// Of the sender.
volatile __u64 own = 0;
// Of the last message.
volatile __s32 unread = 0;
volatile __u32 verdict = 0;
volatile __u32 is_rest = 0;

SEC("sk_msg")
int st_message(struct sk_msg_md *msg)
{
	__u64 to = target, self = own;

	if (is_rest) {
		is_rest = 0;
		bpf_msg_apply_bytes(msg, 0);
		return bpf_msg_redirect_hash(msg, &st_sockets, &self, 0);
	}
	unread = kh_unread(msg->sk);
	if (!to)
		return SK_PASS;
	verdict = bpf_msg_redirect_hash(msg, &st_sockets, &to, BPF_F_INGRESS);
	if (verdict == SK_PASS && take) {
		bpf_msg_apply_bytes(msg, take);
		is_rest = 1;
		take = 0;
	}
	return SK_PASS;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(st_reads, struct sock *sk, int bytes, int flags)
{
	__u64 *read = bpf_sk_storage_get(&st_read, sk, 0, 0);

	if (read && bytes > 0)
		__sync_fetch_and_add(read, bytes);
	return 0;
}
