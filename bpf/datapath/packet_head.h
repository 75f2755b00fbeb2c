// What a packet says of itself: from whom to whom, and what of TCP.
#pragma once
#include "address.h"
#include "types.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define FRAGMENT_OFFSET 0x1fff

struct packet {
	struct endpoint from;
	struct endpoint to;
	__u32 tcp_sequence;
	// Of UDP.
	__u32 data_bytes;
	__u8 tcp_flags;
};

// As far as it is read.
struct tcp_head {
	__be16 from_be;
	__be16 to_be;
	__be32 sequence_be;
	__be32 acknowledged_be;
	__u8 offset;
	__u8 flags;
};
#define TCP_HEAD_BYTES 14
#define UDP_HEAD_BYTES 8

// Ports are 0 where there are none, or they are not found at once: only rules without ports fit then.
static __always_inline int read_ports(struct __sk_buff *skb, __u32 at, __u8 protocol, struct packet *packet)
{
	struct tcp_head head = {};
	__u32 bytes = protocol == IPPROTO_TCP ? TCP_HEAD_BYTES : 2 * sizeof(__be16);

	packet->from.protocol = protocol;
	packet->to.protocol = protocol;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP)
		return 1;
	if (bpf_skb_load_bytes(skb, at, &head, bytes) < 0)
		return 0;
	packet->from.port_be = head.from_be;
	packet->to.port_be = head.to_be;
	packet->tcp_sequence = bpf_ntohl(head.sequence_be);
	packet->tcp_flags = head.flags;
	packet->data_bytes = skb->len - at - UDP_HEAD_BYTES;
	return 1;
}

// 0 for what is no packet of IP.
static __noinline int read_packet(struct __sk_buff *skb, struct packet *packet)
{
	__u8 version;

	if (!packet || bpf_skb_load_bytes(skb, 0, &version, 1) < 0)
		return 0;
	if (version >> 4 == 4) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) < 0)
			return 0;
		address_from_v4(&packet->from.address, ip.saddr);
		address_from_v4(&packet->to.address, ip.daddr);
		if (ip.frag_off & bpf_htons(FRAGMENT_OFFSET)) {
			packet->from.protocol = ip.protocol;
			packet->to.protocol = ip.protocol;
			return 1;
		}
		return read_ports(skb, ip.ihl * 4, ip.protocol, packet);
	}
	if (version >> 4 == 6) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) < 0)
			return 0;
		__builtin_memcpy(packet->from.address.bytes, &ip.saddr, 16);
		__builtin_memcpy(packet->to.address.bytes, &ip.daddr, 16);
		return read_ports(skb, sizeof(ip), ip.nexthdr, packet);
	}
	return 0;
}
