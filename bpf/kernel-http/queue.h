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

// Cookie of the client that the agent asks about.
volatile __u64 asked = 0;

// Bytes that were promised to it and are neither in its queue nor read; the agent runs this. A client that is not in the map
// waits for none. While it reads, or when something else is in its queue, this is not exact; but it is 0 for nothing else than
// a queue that holds all.
SEC("tc")
int kh_missing(struct __sk_buff *skb)
{
	__u64 cookie = asked;
	struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &cookie);
	struct bpf_sock *sk;
	struct kh_socket *socket;
	int missing = 0;

	if (!client)
		return 0;
	sk = bpf_map_lookup_elem(&kh_sockets, &cookie);
	if (!sk)
		return 0;
	socket = bpf_sk_storage_get(&kh_storage, sk, 0, 0);
	if (socket) {
		missing = client->promised - socket->read;
		if (missing)
			missing -= kh_unread(sk);
	}
	bpf_sk_release(sk);
	return missing;
}

// How much of what was redirected to the socket of that cookie its program has not read. It has had its time: splice() finds
// nothing in a queue that has data, and waits for ever. So a client's program stays off the path with all that it opens.
SEC("tc")
int kh_left_unread(struct __sk_buff *skb)
{
	__u64 cookie = asked;
	struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &cookie);
	struct kh_backend *backend = client ? 0 : bpf_map_lookup_elem(&kh_backends, &cookie);
	struct bpf_sock *sk;
	struct kh_socket *socket;
	__u32 one = 1;
	int left = 0;

	if (!client && !backend)
		return 0;
	sk = bpf_map_lookup_elem(&kh_sockets, &cookie);
	if (!sk)
		return 0;
	socket = bpf_sk_storage_get(&kh_storage, sk, 0, 0);
	if (socket) {
		left = (client ? client->promised : backend->promised) - socket->read;
		if (client && left)
			bpf_map_update_elem(&kh_not_reading, &socket->caller, &one, BPF_ANY);
	}
	bpf_sk_release(sk);
	return left;
}
