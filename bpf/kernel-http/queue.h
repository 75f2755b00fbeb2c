// What becomes of redirected bytes. They move after the program that redirected them has ended. So a socket's programs count
// what they promise, and this what was read: only that tells a queue that is empty again from one that is empty still. The
// kernel leaves a run out that would preempt another of the same program; then a client goes to user space, or an endpoint's
// connection is given up, without need.
#pragma once
#include "kernel.h"
#include "maps.h"
#include <bpf/bpf_tracing.h>

#define MSG_PEEK 2

// In the reader's own thread, before it has its bytes. Runs for each read of the node, so it does no more than it must.
SEC("tp_btf/sock_recv_length")
int BPF_PROG(kh_reads, struct sock *sk, int bytes, int flags)
{
	struct kh_socket *socket;

	if (bytes <= 0 || (flags & MSG_PEEK))
		return 0;
	socket = bpf_sk_storage_get(&kh_storage, sk, 0, 0);
	if (socket)
		__sync_fetch_and_add(&socket->read, bytes);
	return 0;
}

// Cookie of the socket that the agent asks about.
volatile __u64 asked = 0;

// What it is told: who the socket's program is, and how much of what was promised to it that has read, modulo 2^32.
volatile __u64 told_caller = 0;
volatile __u32 told_promised = 0;
volatile __u32 told_read = 0;

// To be released by bpf_sk_release(); 0 for a socket that is not on the path any more.
static __always_inline struct bpf_sock *kh_find(__u64 cookie, struct kh_socket **socket)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&kh_sockets, &cookie);

	if (!sk)
		return 0;
	*socket = bpf_sk_storage_get(&kh_storage, sk, 0, 0);
	if (*socket)
		return sk;
	bpf_sk_release(sk);
	return 0;
}

// Bytes that were promised to it and are neither in its queue nor read; the agent runs this. A client that is not in the map
// waits for none. While it reads, or when something else is in its queue, this is not exact; but it is 0 for nothing else than
// a queue that holds all.
SEC("tc")
int kh_missing(struct __sk_buff *skb)
{
	__u64 cookie = asked;
	struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &cookie);
	struct kh_socket *socket = 0;
	struct bpf_sock *sk = client ? kh_find(cookie, &socket) : 0;
	int missing;

	if (!sk)
		return 0;
	missing = client->promised - socket->read;
	if (missing)
		missing -= kh_unread(sk);
	bpf_sk_release(sk);
	return missing;
}

// How far its program has read what was redirected to a socket; 1, or 0 for one that is not on the path any more.
SEC("tc")
int kh_progress(struct __sk_buff *skb)
{
	__u64 cookie = asked;
	struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &cookie);
	struct kh_backend *backend = client ? 0 : bpf_map_lookup_elem(&kh_backends, &cookie);
	struct kh_socket *socket = 0;
	struct bpf_sock *sk = client || backend ? kh_find(cookie, &socket) : 0;

	if (!sk)
		return 0;
	told_caller = socket->caller;
	told_promised = client ? client->promised : backend ? backend->promised : 0;
	told_read = socket->read;
	bpf_sk_release(sk);
	return 1;
}
