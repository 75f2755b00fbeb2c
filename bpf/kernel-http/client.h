// What a client sends: a request that is proven safe goes to an endpoint, all else to user space for life.
#pragma once
#include "config.h"
#include "event.h"
#include "kernel.h"
#include "query.h"
#include "route.h"

#define KH_TRIES 4

// For life: the rest of its messages are not looked at.
static __always_inline int kh_leave(struct kh_client *client, __u32 reason)
{
	client->reason = reason;
	kh_count_reason(reason);
	return SK_PASS;
}

// The response is over already; the request is now. Nobody else gets a connection that was answered so early.
static __always_inline void kh_end_answered(struct kh_client *client, struct kh_backend *backend, __u64 cookie)
{
	backend->state = KH_DEAD;
	backend->owner = 0;
	__sync_val_compare_and_swap(&client->backend, cookie, 0);
	kh_tell_of(KH_BACKEND_DEAD, 0, cookie, backend->pool);
}

// Only the first bytes of the message go where it is redirected to. The kernel runs the program again for the rest, and then
// takes SK_PASS for the same redirect; SK_DROP it would never take back. So the rest is sent by kh_pass_rest().
static __always_inline void kh_divide(struct sk_msg_md *msg, struct kh_socket *socket, __u32 take)
{
	bpf_msg_apply_bytes(msg, take);
	socket->rest = msg->size - take;
}

static __always_inline int kh_is_rest(struct sk_msg_md *msg, struct kh_socket *socket)
{
	__u32 rest = socket->rest;

	if (!rest)
		return 0;
	socket->rest = 0;
	return msg->size == rest;
}

// What SK_PASS is elsewhere: to the other end of its own connection. Where that is no longer possible, the sender is told.
static __always_inline int kh_pass_rest(struct sk_msg_md *msg, struct kh_socket *socket)
{
	struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &socket->cookie);

	bpf_msg_apply_bytes(msg, 0);
	if (client && !client->reason) {
		client->reason = KH_PIPELINED;
		kh_count_reason(KH_PIPELINED);
	}
	return bpf_msg_redirect_hash(msg, &kh_sockets, &socket->cookie, 0);
}

// The rest of a request's body.
static __always_inline int kh_go_on(struct sk_msg_md *msg, struct kh_socket *socket, struct kh_client *client)
{
	struct kh_backend *backend = bpf_map_lookup_elem(&kh_backends, &socket->partner);
	__u32 take = msg->size < socket->body_left ? msg->size : socket->body_left;

	socket->pieces++;
	if (!backend || backend->owner != socket->cookie || socket->pieces > KH_PIECES_MOST)
		goto broken;
	if (bpf_msg_redirect_hash(msg, &kh_sockets, &socket->partner, BPF_F_INGRESS) != SK_PASS)
		goto broken;
	if (take < msg->size)
		kh_divide(msg, socket, take);
	__sync_fetch_and_add(&backend->promised, take);
	socket->body_left -= take;
	if (socket->body_left == 0 &&
	    (__sync_fetch_and_or((__u32 *)&backend->parts, KH_REQUEST_ENDED) & KH_RESPONSE_ENDED))
		kh_end_answered(client, backend, socket->partner);
	return SK_PASS;
broken:
	socket->body_left = 0;
	kh_tell_of(KH_PAIR_BROKEN, socket->cookie, socket->partner, 0);
	return kh_leave(client, socket->pieces > KH_PIECES_MOST ? KH_PIECES : KH_LOST);
}

// Keeps the beginning of the request, for whoever may have to send it again or tells of it.
static __always_inline __u32 kh_keep(struct sk_msg_md *msg, __u64 *cookie, __u64 most)
{
	void *data = (void *)(long)msg->data, *end = (void *)(long)msg->data_end;
	struct kh_kept *kept = bpf_map_lookup_elem(&kh_kept, cookie);
	__u64 bytes = (__u64)end - (__u64)data;

	if (!kept)
		return 0;
	if (bytes > most)
		bytes = most;
	asm volatile("" : "+r"(bytes));
	if (bytes == 0 || bytes > KH_KEPT_BYTES || bpf_probe_read_kernel(kept->bytes, bytes, data) != 0)
		return 0;
	return bytes;
}

// Hands the message to an idle connection of the pool; 0, or a reason and nothing has happened.
static __always_inline __u32 kh_hand_over(struct sk_msg_md *msg, struct kh_socket *socket, struct kh_client *client,
					  const struct kh_request *request, __u32 total, __u32 body)
{
	int is_safe = body == 0 && (request->method & (KH_GET | KH_HEAD | KH_OPTIONS));
	__u64 now = bpf_ktime_get_ns();
	int is_sampled = sample_every_ns && now - sampled_ns > sample_every_ns;
	__u32 number = request->pool;
	void *pool = bpf_map_lookup_elem(&kh_pools, &number);
	__u32 first = msg->size;

	if (!pool)
		return KH_POOL_EMPTY;
	for (int i = 0; i < KH_TRIES; i++) {
		struct kh_backend *backend;
		__u64 cookie = 0;

		if (bpf_map_pop_elem(pool, &cookie) != 0)
			break;
		backend = bpf_map_lookup_elem(&kh_backends, &cookie);
		if (!backend || backend->state != KH_IDLE)
			continue;
		if (__sync_val_compare_and_swap(&backend->owner, 0, socket->cookie) != 0)
			continue;
		backend->state = KH_AT_HEAD;
		backend->parts = first == total ? KH_REQUEST_ENDED : 0;
		backend->count = request->count;
		backend->started_ns = now;
		backend->left = 0;
		backend->promised_before = backend->promised;
		backend->sent = 0;
		backend->caller = socket->caller;
		backend->request_bytes = body;
		backend->status = 0;
		backend->kept = kh_keep(msg, &cookie, is_safe ? KH_KEPT_BYTES : KH_SAMPLE_BYTES);
		backend->is_repeatable = is_safe && backend->kept == total;
		backend->is_sampled = is_sampled;
		backend->is_to_head = request->method == KH_HEAD;
		client->backend = cookie;
		if (bpf_msg_redirect_hash(msg, &kh_sockets, &cookie, BPF_F_INGRESS) == SK_PASS) {
			__sync_fetch_and_add(&backend->promised, first);
			socket->partner = cookie;
			socket->body_left = total - first;
			socket->pieces = 1;
			if (is_sampled)
				sampled_ns = now;
			return 0;
		}
		client->backend = 0;
		backend->state = KH_DEAD;
		backend->owner = 0;
		kh_tell_of(KH_BACKEND_DEAD, 0, cookie, number);
	}
	kh_tell_of(KH_POOL_WAS_EMPTY, socket->cookie, 0, number);
	return KH_POOL_EMPTY;
}

struct kh_host_walk {
	struct sk_msg_md *msg;
	struct kh_host_key *key;
	__u32 at;
	__u32 length;
	__u32 reason;
};

// Names are compared as they stand: lower case, without a port.
static long kh_on_host(__u32 index, struct kh_host_walk *walk)
{
	int byte;

	if (index >= walk->length)
		return 1;
	byte = kh_byte(walk->msg, walk->at + index);
	if (byte == ':')
		return 1;
	if (index >= KH_HOST_BYTES || !((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.')) {
		walk->reason = KH_HOST;
		return 1;
	}
	walk->key->host[index] = byte;
	walk->key->length = index + 1;
	return 0;
}

static __noinline __u32 kh_find_host(struct sk_msg_md *msg, struct kh_scan *scan, struct kh_table *table)
{
	struct kh_host_key key = {.table = table->id};
	struct kh_host_walk walk = {.msg = msg, .key = &key, .at = scan->host_at, .length = scan->host_end - scan->host_at};
	struct kh_table *own;

	bpf_loop(KH_HOST_BYTES + 1, kh_on_host, &walk, 0);
	if (walk.reason)
		return walk.reason;
	own = bpf_map_lookup_elem(&kh_hosts, &key);
	if (own)
		*table = *own;
	return 0;
}

static __always_inline __u32 kh_try_request(struct sk_msg_md *msg, struct kh_socket *socket, struct kh_client *client)
{
	struct kh_table *found = bpf_map_lookup_elem(&kh_tables, &socket->service), table;
	struct kh_scan scan = kh_scan_of(socket);
	struct kh_request request = {};
	__u32 reason, total;

	// Two requests at once, or somebody who does not read. All others that leave have nothing unread.
	if (client->backend)
		return KH_PIPELINED;
	if (client->promised != socket->read)
		return KH_UNREAD;
	if (kh_unread(msg->sk))
		return KH_UNREAD;
	if (!is_on || !found)
		return KH_OFF;
	table = *found;
	scan.name_lengths = table.name_lengths;
	reason = kh_scan_head(msg, &scan);
	if (reason)
		return reason;
	reason = kh_read_first_line(msg, &request, &scan);
	if (reason)
		return reason;
	if (scan.hosts != 1)
		return KH_HOST;
	total = scan.end + scan.length;
	if (total > KH_MESSAGE_BYTES)
		return KH_LARGE;
	if (msg->size > total)
		return KH_PIPELINED;
	reason = kh_read_path(msg, &request, socket);
	if (reason)
		return reason;
	if (table.flags & KH_HAS_HOSTS) {
		reason = kh_find_host(msg, &scan, &table);
		if (reason)
			return reason;
	}
	if (scan.wanted_count) {
		reason = kh_read_fields(msg, &scan, &socket->field, table.id, &request.fields);
		if (reason)
			return reason;
	}
	if (request.has_query && (table.flags & KH_HAS_QUERY)) {
		reason = kh_read_query(&request, msg, &socket->field, table.id);
		if (reason)
			return reason;
	}
	reason = kh_route(&request, msg, socket, &table);
	if (reason)
		return reason;
	return kh_hand_over(msg, socket, client, &request, total, scan.length);
}

static __noinline int kh_from_client(struct sk_msg_md *msg, struct kh_socket *socket)
{
	struct kh_client *client = bpf_map_lookup_elem(&kh_clients, &socket->cookie);
	__u32 reason;

	if (!client)
		return SK_PASS;
	// Whoever leaves does so between two messages.
	if (socket->body_left)
		return kh_go_on(msg, socket, client);
	if (client->reason)
		return SK_PASS;
	reason = kh_try_request(msg, socket, client);
	return reason ? kh_leave(client, reason) : SK_PASS;
}
