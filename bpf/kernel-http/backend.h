// What an endpoint's connection sends: a response whose end is known goes to the client, all else to the agent.
#pragma once
#include "client.h"

// Not static: verified once, and its callers know nothing of its branches.
__noinline __u32 kh_bucket(__u64 ns)
{
	__u32 bucket = 0;

#pragma unroll
	for (int i = 0; i < KH_BUCKETS - 1; i++)
		bucket += ns > bounds_ns[i];
	return bucket;
}

static __noinline void kh_fill_sample(struct kh_sample *sample, struct kh_backend *backend, struct kh_kept *kept)
{
	sample->kind = KH_SAMPLED;
	sample->count = backend->count;
	sample->client = backend->owner;
	sample->caller = backend->caller;
	sample->waited_us = backend->waited_us;
	sample->request_bytes = backend->request_bytes;
	sample->response_bytes = backend->response_bytes;
	sample->status = backend->status;
	sample->kept = backend->kept;
	__builtin_memcpy(sample->bytes, kept->bytes, KH_SAMPLE_BYTES);
}

static __noinline void kh_tell_sample(struct kh_socket *socket, struct kh_backend *backend, __u64 took)
{
	struct kh_kept *kept = bpf_map_lookup_elem(&kh_kept, &socket->cookie);
	// Nobody reads while there is no agent, and ends of connections matter more than lines of a log.
	int is_room = bpf_ringbuf_query(&kh_events, BPF_RB_AVAIL_DATA) < KH_EVENTS_BYTES / 4;
	struct kh_sample *sample = kept && is_room ? bpf_ringbuf_reserve(&kh_events, sizeof(*sample), 0) : 0;

	if (!sample)
		return;
	kh_fill_sample(sample, backend, kept);
	sample->took_ns = took;
	bpf_ringbuf_submit(sample, 0);
}

static __always_inline void kh_add_to_bucket(__u64 *buckets, __u32 bucket)
{
	asm volatile("" : "+r"(bucket));
	if (bucket < KH_BUCKETS)
		__sync_fetch_and_add(&buckets[bucket], 1);
}

static __always_inline void kh_count(struct kh_socket *socket, struct kh_backend *backend, __u64 took)
{
	__u32 number = backend->count, class = (__u32)backend->status / 100, bucket = kh_bucket(took);
	struct kh_counts *counts = bpf_map_lookup_elem(&kh_counts, &number);

	if (counts) {
		if (backend->request_bytes)
			__sync_fetch_and_add(&counts->request_bytes, backend->request_bytes);
		__sync_fetch_and_add(&counts->response_bytes, backend->response_bytes);
		__sync_fetch_and_add(&counts->nanoseconds, took);
		__sync_fetch_and_add(&counts->waited_us, backend->waited_us);
		class &= 7;
		asm volatile("" : "+r"(class));
		__sync_fetch_and_add(&counts->classes[class], 1);
		kh_add_to_bucket(counts->buckets, bucket);
		// Most responses are one message.
		if (backend->waited_us != (__u32)(took / 1000))
			bucket = kh_bucket((__u64)backend->waited_us * 1000);
		kh_add_to_bucket(counts->waits, bucket);
	}
	if (backend->is_sampled)
		kh_tell_sample(socket, backend, took);
}

static __always_inline int kh_die(struct kh_backend *backend, __u64 cookie)
{
	backend->state = KH_DEAD;
	kh_tell_of(KH_BACKEND_DEAD, backend->owner ? backend->owner : backend->answered, cookie, backend->pool);
	return SK_PASS;
}

// C has closed its connection, of which the agent may hear later than of what it now gets instead.
static __always_inline int kh_find_nobody(struct kh_backend *backend, __u64 cookie)
{
	backend->state = KH_UNHEARD;
	kh_tell_of(KH_BACKEND_DEAD, 0, cookie, backend->pool);
	return SK_PASS;
}

// The response was counted to its end. The client is free before its connection is; a connection that said too much, or has
// not read all of the request, is nobody's any more.
static __always_inline void kh_end(struct sk_msg_md *msg, struct kh_socket *socket, struct kh_client *client,
				   struct kh_backend *backend, int is_clean, __u64 took)
{
	__u64 cookie = socket->cookie;
	__u32 number = backend->pool;
	void *pool;

	kh_count(socket, backend, took ? took : bpf_ktime_get_ns() - backend->started_ns);
	backend->answered = backend->owner;
	if (backend->promised != socket->read || kh_unread(msg->sk))
		is_clean = 0;
	backend->state = is_clean ? KH_ANSWERED : KH_DEAD;
	if (!(__sync_fetch_and_or((__u32 *)&backend->parts, KH_RESPONSE_ENDED) & KH_REQUEST_ENDED))
		return;
	if (is_clean)
		backend->state = KH_IDLE;
	__sync_lock_test_and_set(&backend->owner, 0);
	__sync_val_compare_and_swap(&client->backend, cookie, 0);
	pool = bpf_map_lookup_elem(&kh_pools, &number);
	if (!is_clean || !pool || bpf_map_push_elem(pool, &cookie, 0) != 0) {
		backend->state = KH_DEAD;
		kh_tell_of(KH_BACKEND_DEAD, 0, cookie, number);
	}
}

// `left` bytes of the response are to come, this message included; it took so long until now, or 0 where nobody has asked yet.
static __always_inline int kh_answer(struct sk_msg_md *msg, struct kh_socket *socket, struct kh_backend *backend, __u32 left,
				     int is_final, __u64 took)
{
	__u64 owner = backend->owner;
	struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &owner);
	__u32 take = msg->size < left ? msg->size : left;
	int is_clean = msg->size <= left;

	if (!client || client->backend != socket->cookie)
		return kh_find_nobody(backend, socket->cookie);
	if (bpf_msg_redirect_hash(msg, &kh_sockets, &owner, BPF_F_INGRESS) != SK_PASS)
		return kh_find_nobody(backend, socket->cookie);
	if (!is_clean)
		kh_divide(msg, socket, take);
	__sync_fetch_and_add(&client->promised, take);
	backend->sent += take;
	backend->left = left - take;
	if (!is_final)
		return SK_PASS;
	if (left > take)
		backend->state = KH_IN_BODY;
	else
		kh_end(msg, socket, client, backend, is_clean, took);
	return SK_PASS;
}

static __always_inline int kh_relay(struct kh_socket *socket, struct kh_backend *backend, __u32 reason)
{
	backend->state = KH_RELAYED;
	kh_count_reason(reason);
	kh_tell_of(KH_RESPONSE_RELAYED, backend->owner, socket->cookie, backend->pool);
	return SK_PASS;
}

static __always_inline int kh_digit(int byte)
{
	return byte >= '0' && byte <= '9' ? byte - '0' : -1;
}

// HTTP/1.1 200 …
static __always_inline __u32 kh_read_status(struct sk_msg_md *msg, struct kh_scan *scan, __u32 *status)
{
	int a = kh_digit(kh_byte(msg, 9)), b = kh_digit(kh_byte(msg, 10)), c = kh_digit(kh_byte(msg, 11));
	__u64 version;

	if (scan->first_end < 12 || !kh_load(msg, 0, &version) || kh_byte(msg, 8) != ' ' || a < 1 || a > 5 || b < 0 ||
	    c < 0 || (scan->first_end > 12 && kh_byte(msg, 12) != ' '))
		return KH_NOT_HTTP;
	if (version != KH_W8('H', 'T', 'T', 'P', '/', '1', '.', '1'))
		return KH_VERSION;
	*status = a * 100 + b * 10 + c;
	return 0;
}

static __always_inline int kh_begin_answer(struct sk_msg_md *msg, struct kh_socket *socket, struct kh_backend *backend)
{
	struct kh_scan scan = kh_scan_of(socket);
	__u32 status = 0, total, reason;
	__u64 took;

	// The rest of a response that was cut off is no response to the next request, of which nothing was read yet.
	if (backend->owner == 0 || (socket->read == backend->promised_before && kh_unread(msg->sk)))
		return kh_die(backend, socket->cookie);
	scan.is_response = 1;
	reason = kh_scan_head(msg, &scan);
	if (!reason)
		reason = kh_read_status(msg, &scan, &status);
	if (reason)
		return kh_relay(socket, backend, reason);
	if (status < 200) {
		// One that is alone passes, and the response is still to come.
		if (status == 101 || msg->size != scan.end)
			return kh_relay(socket, backend, KH_STATUS);
		return kh_answer(msg, socket, backend, scan.end, 0, 0);
	}
	total = scan.end + scan.length;
	if (backend->is_to_head || status == 204 || status == 304)
		total = scan.end;
	else if (!scan.has_length)
		return kh_relay(socket, backend, KH_NO_LENGTH);
	if (total > KH_MESSAGE_BYTES)
		return kh_relay(socket, backend, KH_LARGE);
	backend->status = status;
	backend->response_bytes = total - scan.end;
	took = bpf_ktime_get_ns() - backend->started_ns;
	backend->waited_us = took / 1000;
	socket->pieces = 0;
	return kh_answer(msg, socket, backend, total, 1, took);
}

static __noinline int kh_from_backend(struct sk_msg_md *msg, struct kh_socket *socket)
{
	struct kh_backend *backend = bpf_map_lookup_elem(&kh_backends, &socket->cookie);

	if (!backend)
		return SK_PASS;
	switch (backend->state) {
	case KH_IDLE:
	case KH_ANSWERED:
		// Nobody has asked.
		return kh_die(backend, socket->cookie);
	case KH_AT_HEAD:
		return kh_begin_answer(msg, socket, backend);
	case KH_IN_BODY:
		if (++socket->pieces <= KH_PIECES_MOST)
			return kh_answer(msg, socket, backend, backend->left, 1, 0);
		backend->state = KH_DEAD;
		kh_count_reason(KH_PIECES);
		kh_tell_of(KH_PAIR_BROKEN, backend->owner, socket->cookie, backend->pool);
		break;
	case KH_RELAYED:
	case KH_DEAD:
	case KH_UNHEARD:
		break;
	}
	return SK_PASS;
}
