// Queries for names: whatever resolver a program means to ask, the agent answers, and asks that one for it.
#pragma once
#include "address.h"
#include "maps.h"
#include <bpf/bpf_endian.h>

#define NAMES_PORT bpf_htons(53)

static __always_inline struct endpoint *name_server(__u32 which)
{
	return bpf_map_lookup_elem(&hd_names, &which);
}

static __always_inline int is_at(const struct endpoint *asked, const struct endpoint *server)
{
	return asked->port_be == server->port_be && address_equals(&asked->address, &server->address);
}

// Whether it is a query, which is led to where names are answered.
static __always_inline int asks_names(const struct endpoint *asked)
{
	struct endpoint *v4 = name_server(NAMES_LED_V4);
	struct endpoint *v6 = name_server(NAMES_LED_V6);
	struct endpoint *open = name_server(NAMES_OPEN);

	if (!v4 || !v6 || !open || v4->port_be == 0)
		return 0;
	return asked->port_be == NAMES_PORT || is_at(asked, open) || is_at(asked, v4) || is_at(asked, v6);
}

// Where names are answered for a socket of that family. Returns 0 if nowhere.
static __noinline int name_server_for(__u64 cookie, struct endpoint *asked, struct endpoint *server)
{
	struct network *network = cookie ? bpf_map_lookup_elem(&hd_networks, &cookie) : 0;
	struct endpoint *v4 = network ? &network->names_v4 : name_server(NAMES_LED_V4);
	struct endpoint *v6 = network ? &network->names_v6 : name_server(NAMES_LED_V6);

	if (!asked || !server || (cookie && !network) || !v4 || !v6 || v4->port_be == 0)
		return 0;
	*server = address_is_v4(&asked->address) || v6->port_be == 0 ? *v4 : *v6;
	return 1;
}

static __noinline int is_name_server(__u64 cookie, struct endpoint *given)
{
	struct network *network = cookie ? bpf_map_lookup_elem(&hd_networks, &cookie) : 0;
	struct endpoint *v4 = network ? &network->names_v4 : name_server(NAMES_LED_V4);
	struct endpoint *v6 = network ? &network->names_v6 : name_server(NAMES_LED_V6);

	return given && v4 && v6 && v4->port_be != 0 && (is_at(given, v4) || is_at(given, v6));
}
