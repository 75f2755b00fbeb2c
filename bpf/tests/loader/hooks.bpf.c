// One program for each hook of a cgroup; each counts its calls and allows everything.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

enum hook {
	HOOK_CONNECT4,
	HOOK_CONNECT6,
	HOOK_SENDMSG4,
	HOOK_SENDMSG6,
	HOOK_RECVMSG4,
	HOOK_RECVMSG6,
	HOOK_GETPEERNAME4,
	HOOK_GETPEERNAME6,
	HOOK_GETSOCKNAME4,
	HOOK_GETSOCKNAME6,
	HOOK_BIND4,
	HOOK_BIND6,
	HOOK_SOCK_CREATE,
	HOOK_SOCK_RELEASE,
	HOOK_POST_BIND4,
	HOOK_POST_BIND6,
	HOOK_GETSOCKOPT,
	HOOK_SETSOCKOPT,
	HOOK_INGRESS,
	HOOK_EGRESS,
	HOOK_SOCKOPS,
	HOOK_SK_MSG,
	HOOK_COUNT,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HOOK_COUNT);
	__type(key, enum hook);
	__type(value, __u64);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} sockets SEC(".maps");

static __always_inline int count(enum hook hook)
{
	__u64 *value = bpf_map_lookup_elem(&calls, &hook);

	if (value)
		__sync_fetch_and_add(value, 1);
	return 1;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	return count(HOOK_CONNECT4);
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	return count(HOOK_CONNECT6);
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	return count(HOOK_SENDMSG4);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	return count(HOOK_SENDMSG6);
}

SEC("cgroup/recvmsg4")
int on_recvmsg4(struct bpf_sock_addr *ctx)
{
	return count(HOOK_RECVMSG4);
}

SEC("cgroup/recvmsg6")
int on_recvmsg6(struct bpf_sock_addr *ctx)
{
	return count(HOOK_RECVMSG6);
}

SEC("cgroup/getpeername4")
int on_getpeername4(struct bpf_sock_addr *ctx)
{
	return count(HOOK_GETPEERNAME4);
}

SEC("cgroup/getpeername6")
int on_getpeername6(struct bpf_sock_addr *ctx)
{
	return count(HOOK_GETPEERNAME6);
}

SEC("cgroup/getsockname4")
int on_getsockname4(struct bpf_sock_addr *ctx)
{
	return count(HOOK_GETSOCKNAME4);
}

SEC("cgroup/getsockname6")
int on_getsockname6(struct bpf_sock_addr *ctx)
{
	return count(HOOK_GETSOCKNAME6);
}

SEC("cgroup/bind4")
int on_bind4(struct bpf_sock_addr *ctx)
{
	return count(HOOK_BIND4);
}

SEC("cgroup/bind6")
int on_bind6(struct bpf_sock_addr *ctx)
{
	return count(HOOK_BIND6);
}

SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *ctx)
{
	return count(HOOK_SOCK_CREATE);
}

SEC("cgroup/sock_release")
int on_sock_release(struct bpf_sock *ctx)
{
	return count(HOOK_SOCK_RELEASE);
}

SEC("cgroup/post_bind4")
int on_post_bind4(struct bpf_sock *ctx)
{
	return count(HOOK_POST_BIND4);
}

SEC("cgroup/post_bind6")
int on_post_bind6(struct bpf_sock *ctx)
{
	return count(HOOK_POST_BIND6);
}

SEC("cgroup/getsockopt")
int on_getsockopt(struct bpf_sockopt *ctx)
{
	// Longer options than this the kernel refuses to hand back.
	if (ctx->optlen > 4096)
		ctx->optlen = 0;
	return count(HOOK_GETSOCKOPT);
}

SEC("cgroup/setsockopt")
int on_setsockopt(struct bpf_sockopt *ctx)
{
	// Longer options than this the kernel refuses to hand back.
	if (ctx->optlen > 4096)
		ctx->optlen = 0;
	return count(HOOK_SETSOCKOPT);
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *ctx)
{
	return count(HOOK_INGRESS);
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *ctx)
{
	return count(HOOK_EGRESS);
}

SEC("sockops")
int on_sockops(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);

	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		bpf_sock_hash_update(ctx, &sockets, &cookie, BPF_ANY);
	return count(HOOK_SOCKOPS);
}

SEC("sk_msg")
int on_sk_msg(struct sk_msg_md *ctx)
{
	return count(HOOK_SK_MSG);
}
