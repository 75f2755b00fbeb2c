// Addresses of either family as one.
#pragma once
#include "config.h"
#include "types.h"

#define AF_INET 2
#define AF_INET6 10
#define MPTCP 262

static __always_inline void address_from_v4(struct address *to, __be32 ip)
{
	__builtin_memset(to, 0, 10);
	to->bytes[10] = 0xff;
	to->bytes[11] = 0xff;
	__builtin_memcpy(&to->bytes[12], &ip, 4);
}

static __always_inline int address_is_v4(const struct address *address)
{
	const __u8 *b = address->bytes;
	__u64 high;
	__u32 middle;

	__builtin_memcpy(&high, b, 8);
	__builtin_memcpy(&middle, b + 8, 4);
	return high == 0 && middle == 0xffff0000;
}

static __always_inline __be32 address_v4(const struct address *address)
{
	__be32 ip;

	__builtin_memcpy(&ip, &address->bytes[12], 4);
	return ip;
}

static __always_inline int address_equals(const struct address *a, const struct address *b)
{
	__u64 x[2], y[2];

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	return x[0] == y[0] && x[1] == y[1];
}

// Of the networks that virtual addresses are drawn from; those of IPv6 are fd68:6564:646c::/48.
static __always_inline int address_is_virtual(const struct address *address)
{
	const __u8 *b = address->bytes;

	if (address_is_v4(address))
		return (address_v4(address) & virtual_mask) == virtual_network;
	return b[0] == 0xfd && b[1] == 0x68 && b[2] == 0x65 && b[3] == 0x64 && b[4] == 0x64 && b[5] == 0x6c;
}

static __always_inline int address_is_loopback(const struct address *address)
{
	const __u8 *b = address->bytes;
	struct address self = {};

	self.bytes[15] = 1;
	return address_is_v4(address) ? b[12] == 127 : address_equals(address, &self);
}

static __always_inline int endpoint_equals(const struct endpoint *a, const struct endpoint *b)
{
	__u32 x[5], y[5];

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4];
}
