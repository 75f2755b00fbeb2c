// What the path needs to know of the kernel's own structs.
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct sock {
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
};

struct tcp_sock {
	int nothing;
};

#pragma clang attribute pop

// Bytes that nobody has read yet, in both queues of a socket; -1 where that cannot be known.
static __always_inline int kh_unread(struct bpf_sock *sk)
{
	struct sock *socket = sk ? (struct sock *)bpf_skc_to_tcp_sock(sk) : 0;

	if (!socket)
		return -1;
	return *(volatile int *)&socket->sk_backlog.rmem_alloc.counter;
}
