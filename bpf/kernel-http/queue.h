// What becomes of redirected bytes. They move after the program that redirected them has ended. So a socket's programs count
// what they promise, and these what came and what was read: only that tells a queue that is empty again from one that is empty
// still. The kernel leaves a run out that would preempt another of the same program; then a client goes to user space, or an
// endpoint's connection is given up, without need.
#pragma once
#include "kernel.h"
#include "maps.h"
#include <bpf/bpf_tracing.h>

#define MSG_PEEK 2

// In the reader's own thread, before it has its bytes.
SEC("tp_btf/sock_recv_length")
int BPF_PROG(kh_reads, struct sock *sk, int bytes, int flags)
{
	struct kh_socket *socket = bpf_sk_storage_get(&kh_storage, sk, 0, 0);

	if (!socket || bytes <= 0 || (flags & MSG_PEEK))
		return 0;
	if (socket->role == KH_CLIENT) {
		struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &socket->cookie);

		if (client && __sync_fetch_and_add(&client->read, bytes) + bytes == client->promised)
			client->arrived = client->promised;
	} else if (socket->role == KH_BACKEND) {
		struct kh_backend *backend = bpf_map_lookup_elem(&kh_backends, &socket->cookie);

		if (backend)
			__sync_fetch_and_add(&backend->read, bytes);
	}
	return 0;
}

// In the thread that has just put bytes into the queue, before it wakes the reader. Without memory the kernel puts in less
// than was promised. A reader that is at work just now makes this too little; then its count tells.
SEC("tp_btf/sk_data_ready")
int BPF_PROG(kh_arrives, const struct sock *sk)
{
	struct kh_socket *socket = bpf_sk_storage_get(&kh_storage, (struct sock *)sk, 0, 0);
	struct kh_client *client;

	if (!socket || socket->role != KH_CLIENT)
		return 0;
	client = bpf_map_lookup_elem(&kh_clients, &socket->cookie);
	// What comes later by TCP is no matter of the path.
	if (client && client->arrived != client->promised)
		client->arrived = client->read + ((const struct sock *)sk)->sk_backlog.rmem_alloc.counter;
	return 0;
}
