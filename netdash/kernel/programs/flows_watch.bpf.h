/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which packets are handed to user space. Included by flows.bpf.c, whose rules for the verifier hold here too.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "flows_packet.bpf.h"

#define PACKET_OUTGOING 4

/* Part of `struct control`, as bpf_counter.py packs it. */
struct watch {
	__u64 snap_bytes; /* of each watched packet; 0: nothing is watched, and nothing below is looked at */
	__u64 ifindex;    /* 0: on all interfaces */
	__u64 everything; /* all packets there, whatever `watched` holds */
	__u64 flow_bits;  /* bit port_bit() of what `watched` holds: spares nearly all other packets the look-up */
	__u64 port_bits;
};

/* WATCH_KEY of watch_filter.py. Of a watched port only `protocol` and the source port are set. */
struct watch_key {
	__u64 identity; /* ethertype, protocol, 0, source_port, destination_port */
	__u64 source[2];
	__u64 destination[2];
};

_Static_assert(sizeof(struct watch_key) == 40, "WATCH_KEY");

MAP(watched, BPF_MAP_TYPE_HASH, struct watch_key, __u64, 4096, BPF_F_NO_PREALLOC);

static __always_inline __u64 port_bit(__u64 ports)
{
	return (ports ^ ports >> 8) & 63;
}

static __always_inline __u32 watched_bytes(const struct watch *watch, const struct packet *packet)
{
	struct watch_key key = {};

	if (!watch->snap_bytes)
		return 0;
	if (watch->ifindex && watch->ifindex != packet->ifindex)
		return 0;
	if (watch->everything)
		return watch->snap_bytes;

	__u64 source = packet->ports & 0xffff, destination = packet->ports >> 16 & 0xffff;
	__u64 local = packet->packet_type == PACKET_OUTGOING ? source : destination;
	if (watch->port_bits >> port_bit(local) & 1) {
		key.identity = packet->protocol << 16 | local << 32;
		if (bpf_map_lookup_elem(&watched, &key))
			return watch->snap_bytes;
	}
	if (watch->flow_bits >> port_bit(source ^ destination) & 1) {
		key.identity = packet->ethertype | packet->protocol << 16 | packet->ports << 32;
		key.source[0] = packet->source[0];
		key.source[1] = packet->source[1];
		key.destination[0] = packet->destination[0];
		key.destination[1] = packet->destination[1];
		if (bpf_map_lookup_elem(&watched, &key))
			return watch->snap_bytes;
	}
	return 0;
}
