// What the path needs to know of the kernel's own structs.
#pragma once
#include "config.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct sock_common {
	unsigned long skc_flags;
};

struct sock {
	struct sock_common __sk_common;
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

// Whether data that the socket sends are its program's until the kernel tells it otherwise.
static __always_inline int kh_is_zero_copy(struct bpf_sock *sk)
{
	struct sock *socket = sk ? (struct sock *)bpf_skc_to_tcp_sock(sk) : 0;

	return socket && zero_copy_flag < 64 && socket->__sk_common.skc_flags >> zero_copy_flag & 1;
}
