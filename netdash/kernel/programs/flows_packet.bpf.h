/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet says about its flow: link layer, VLAN, IPv4, IPv6 and its extension headers, fragments, transport.
 * Included by flows.bpf.c, whose rules for the verifier hold here too.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERNET_HEADER_BYTES 14
#define VLAN_TAG_BYTES 4
#define IPV6_HEADER_BYTES 40
#define IPV6_JUMBO_HEADER_BYTES 8

#define VLAN_PRESENT 0x1000ULL
#define FLAG_FRAGMENT 0x0001ULL

/* Longer chains of extension headers do not occur; such a packet counts under the header that was reached. */
#define MAX_EXTENSION_HEADERS 6
#define MAX_VLAN_TAGS 2
/* Room for an IPv6 header and the 16 bytes of a transport header that matter. */
#define HEADER_WORDS 7
/* The time Linux keeps an incomplete IPv4 datagram (net.ipv4.ipfrag_time); identifications are reused later. */
#define FRAGMENT_LIFETIME_NS (30ULL * 1000 * 1000 * 1000)

enum {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_DCCP = 33,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_AH = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_DESTINATION_OPTIONS = 60,
	PROTOCOL_SCTP = 132,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_UDPLITE = 136,
};

/* Read by build.py; user space creates the maps and may change max_entries. */
struct map_definition {
	__u32 type;
	__u32 key_bytes;
	__u32 value_bytes;
	__u32 max_entries;
	__u32 flags;
};

#define MAP(name, map_type, key, value, entries, map_flags)                                                            \
	struct map_definition name SEC("maps") = {                                                                     \
		.type = map_type,                                                                                      \
		.key_bytes = sizeof(key),                                                                              \
		.value_bytes = sizeof(value),                                                                          \
		.max_entries = entries,                                                                                \
		.flags = map_flags,                                                                                    \
	}

/* What all fragments of a datagram share (RFC 791, RFC 8200 section 4.5). */
struct fragment_key {
	__u64 source[2];
	__u64 destination[2];
	__u64 identification; /* and the protocol field that stands in every fragment, at bit 32 */
};

/* What only the first fragment tells. */
struct fragment_value {
	__u64 ports; /* and the protocol after all extension headers, at bit 32 */
	__u64 seen_ns;
};

/* Losing an entry costs a fragment its ports, nothing of the counts. */
MAP(fragments, BPF_MAP_TYPE_LRU_HASH, struct fragment_key, struct fragment_value, 16384, 0);

enum fragment_part { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER };

struct packet {
	__u64 ifindex;
	__u64 packet_type;
	__u64 ethertype;
	__u64 vlan; /* with VLAN_PRESENT */
	__u64 flags;
	__u64 protocol;
	__u64 ports; /* source and destination port as they stand in the packet */
	__u64 tcp_flags;
	__u64 source[2];
	__u64 destination[2];
	__u64 fragment_protocol;
	__u64 fragment_identification;
	__u64 transport[2];     /* the transport header's bytes 0 to 7 and 8 to 15 */
	enum fragment_part fragment;
	__u32 transport_known;  /* how many bytes of `transport` were there */
	__u32 transport_offset; /* from the network layer's begin; 0: there is no transport header to read */
	__u32 transport_bytes;  /* length of the transport header, repeated in each segment of a super-packet */
	__u32 link_bytes;       /* before the network layer, where that had to be found out */
	__u32 phantom_bytes;    /* header that the kernel removes before the wire */
};

static __always_inline int is_super_packet(struct __sk_buff *skb)
{
#ifdef NO_GSO_FIELDS
	return 0;
#else
	return skb->gso_size != 0;
#endif
}

static __always_inline int is_vlan_tag(__u32 ethertype)
{
	return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ;
}

static __always_inline int is_extension_header(__u32 protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING || protocol == PROTOCOL_FRAGMENT ||
	       protocol == PROTOCOL_AH || protocol == PROTOCOL_DESTINATION_OPTIONS || protocol == PROTOCOL_MOBILITY;
}

/* Loads from the network layer on, wherever the bytes are: some drivers, and packet sockets with large frames, leave
 * headers outside the linear part of the skb, where bpf_skb_load_bytes_relative() does not reach. */
static __always_inline long load(struct __sk_buff *skb, const struct packet *packet, __u32 offset, void *to,
				 __u32 bytes)
{
	return bpf_skb_load_bytes(skb, packet->link_bytes + offset, to, bytes);
}

/*
 * Bytes before the network layer: an Ethernet header, or none (tun, ppp, wireguard). No field tells; so see where the
 * network header's first bytes stand. Always right for Ethernet; on devices without a header a crafted packet could
 * pass for Ethernet, and harms its own counts only. Bytes that cannot be compared (few, or outside the linear part, or
 * a tagged frame of a packet socket, whose network header stands behind the tags) have Ethernet's type field.
 */
static __always_inline __u32 link_header_bytes(struct __sk_buff *skb)
{
	__u64 network[2], frame[2], type;

	if (bpf_skb_load_bytes_relative(skb, 0, network, 16, BPF_HDR_START_NET) == 0) {
		if (bpf_skb_load_bytes(skb, ETHERNET_HEADER_BYTES, frame, 16) == 0 && network[0] == frame[0] &&
		    network[1] == frame[1])
			return ETHERNET_HEADER_BYTES;
		if (bpf_skb_load_bytes(skb, 0, frame, 16) == 0 && network[0] == frame[0] && network[1] == frame[1])
			return 0;
	}
	if (bpf_skb_load_bytes(skb, ETHERNET_HEADER_BYTES - 2, &type, 2) == 0 && *(__u16 *)&type == (__u16)skb->protocol)
		return ETHERNET_HEADER_BYTES;
	return 0;
}

/* The common packet: network and transport header in one load, which needs no place of the network layer found out. */
static __always_inline int load_simple_headers(struct __sk_buff *skb, struct packet *packet, __u64 words[HEADER_WORDS])
{
	const __u8 *header = (const __u8 *)words;

	if (packet->ethertype == ETHERTYPE_IPV4) {
		if (bpf_skb_load_bytes_relative(skb, 0, words, 36, BPF_HDR_START_NET) < 0 || header[0] != 0x45)
			return 0;
		packet->transport[0] = words[2] >> 32 | words[3] << 32;
		packet->transport[1] = words[3] >> 32 | words[4] << 32;
	} else if (packet->ethertype == ETHERTYPE_IPV6) {
		if (bpf_skb_load_bytes_relative(skb, 0, words, 56, BPF_HDR_START_NET) < 0 || is_extension_header(header[6]))
			return 0;
		packet->transport[0] = words[5];
		packet->transport[1] = words[6];
	} else {
		return 0;
	}
	packet->transport_known = 16;
	return 1;
}

/* Takes the tags in the data; returns the offset of what follows them. The outermost tag is the packet's VLAN. */
static __always_inline __u32 parse_vlan_tags(struct __sk_buff *skb, struct packet *packet)
{
	__u32 offset = 0;

#pragma unroll
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		__u64 tag;
		if (!is_vlan_tag(packet->ethertype) || load(skb, packet, offset, &tag, VLAN_TAG_BYTES) < 0)
			break;
		__u32 fields = bpf_ntohl(*(__u32 *)&tag);
		if (!packet->vlan)
			packet->vlan = VLAN_PRESENT | ((fields >> 16) & 0xfff);
		packet->ethertype = fields & 0xffff;
		offset += VLAN_TAG_BYTES;
	}
	return offset;
}

static __always_inline void parse_ipv4(struct packet *packet, const __u64 words[HEADER_WORDS], __u32 offset)
{
	const __u8 *header = (const __u8 *)words;

	if (header[0] >> 4 != 4 || (header[0] & 15) < 5)
		return;
	packet->protocol = header[9];
	packet->source[1] = 0xffff0000ULL | (__u64)*(__u32 *)(header + 12) << 32;
	packet->destination[1] = 0xffff0000ULL | (__u64)*(__u32 *)(header + 16) << 32;

	__u32 fragment = bpf_ntohs(*(__u16 *)(header + 6)) & 0x3fff; /* more fragments, offset */
	if (fragment) {
		packet->fragment = fragment & 0x1fff ? FRAGMENT_LATER : FRAGMENT_FIRST;
		packet->fragment_identification = *(__u16 *)(header + 4);
		packet->fragment_protocol = packet->protocol;
	}
	if (packet->fragment != FRAGMENT_LATER)
		packet->transport_offset = offset + (header[0] & 15) * 4;
}

/* Steps over the extension headers from `offset` on; returns the protocol that was reached. */
static __always_inline __u32 parse_extension_headers(struct __sk_buff *skb, struct packet *packet, __u32 next,
						      __u32 offset)
{
#pragma unroll
	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		__u64 word;
		const __u8 *extension = (const __u8 *)&word;

		if (!is_extension_header(next))
			break;
		if (load(skb, packet, offset, &word, sizeof(word)) < 0)
			return next;
		if (next == PROTOCOL_FRAGMENT) {
			__u32 fragment = bpf_ntohs(*(__u16 *)(extension + 2));
			next = extension[0];
			offset += 8;
			if (fragment & 0xfff9) { /* offset, more fragments; neither: a whole datagram (RFC 6946) */
				packet->fragment_identification = *(__u32 *)(extension + 4);
				packet->fragment_protocol = next;
				packet->fragment = FRAGMENT_FIRST;
			}
			if (fragment & 0xfff8) {
				packet->fragment = FRAGMENT_LATER;
				return next;
			}
		} else {
			offset += next == PROTOCOL_AH ? (extension[1] + 2) * 4 : (extension[1] + 1) * 8;
			next = extension[0];
		}
	}
	if (!is_extension_header(next))
		packet->transport_offset = offset;
	return next;
}

static __always_inline void parse_ipv6(struct __sk_buff *skb, struct packet *packet, const __u64 words[HEADER_WORDS],
				       __u32 offset)
{
	const __u8 *header = (const __u8 *)words;

	if (header[0] >> 4 != 6)
		return;
	packet->source[0] = words[1];
	packet->source[1] = words[2];
	packet->destination[0] = words[3];
	packet->destination[1] = words[4];
	/* A super-packet above 64 KiB holds its length in a jumbo option that no segment carries (RFC 2675, BIG TCP). */
	if (*(__u16 *)(header + 4) == 0 && header[6] == PROTOCOL_HOP_BY_HOP)
		packet->phantom_bytes = IPV6_JUMBO_HEADER_BYTES;
	packet->protocol = parse_extension_headers(skb, packet, header[6], offset + IPV6_HEADER_BYTES);
}

static __always_inline void load_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u64 words[2] = {};
	if (load(skb, packet, packet->transport_offset, words, 16) == 0)
		packet->transport_known = 16;
	else if (load(skb, packet, packet->transport_offset, words, 8) == 0)
		packet->transport_known = 8;
	else if (load(skb, packet, packet->transport_offset, words, 4) == 0)
		packet->transport_known = 4;
	else if (load(skb, packet, packet->transport_offset, words, 2) == 0)
		packet->transport_known = 2;
	packet->transport[0] = words[0];
	packet->transport[1] = words[1];
}

static __always_inline void parse_transport(struct packet *packet)
{
	__u64 first = packet->transport[0], second = packet->transport[1];
	__u32 known = packet->transport_known, type = first & 0xff;

	switch (packet->protocol) {
	case PROTOCOL_TCP:
		packet->transport_bytes = 20;
		if (known >= 16) {
			packet->tcp_flags = second >> 40 & 0xff;
			packet->transport_bytes = (second >> 36 & 15) * 4;
		}
		break;
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
	case PROTOCOL_DCCP:
		packet->transport_bytes = 8;
		break;
	case PROTOCOL_SCTP:
		packet->transport_bytes = 12;
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		if (known >= 2)
			packet->ports = first & 0xffff;
		if (known >= 8 && (packet->protocol == PROTOCOL_ICMP ? type == 0 || type == 8 : type == 128 || type == 129))
			packet->ports |= (first >> 32 & 0xffff) << 16;
		return;
	default:
		return;
	}
	if (known >= 4)
		packet->ports = first & 0xffffffff;
}

/* Later fragments carry no ports: the first one leaves them here. */
static __always_inline void join_fragments(struct packet *packet, __u64 now)
{
	struct fragment_key key = {
		.source = {packet->source[0], packet->source[1]},
		.destination = {packet->destination[0], packet->destination[1]},
		.identification = packet->fragment_identification | packet->fragment_protocol << 32,
	};
	if (packet->fragment == FRAGMENT_FIRST) {
		struct fragment_value first = {.ports = packet->ports | packet->protocol << 32, .seen_ns = now};
		bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
		return;
	}
	struct fragment_value *first = bpf_map_lookup_elem(&fragments, &key);
	if (first && now - first->seen_ns < FRAGMENT_LIFETIME_NS) {
		packet->ports = first->ports & 0xffffffff;
		packet->protocol = first->ports >> 32;
	} else {
		packet->flags = FLAG_FRAGMENT;
	}
}

/*
 * The verifier follows each combination of constants that the headers leave through all that comes after. Adding a zero
 * that it cannot know makes them one state: without this, kernels up to 6.1 need seconds to load it or give up.
 */
static __always_inline void forget(struct packet *packet, __u64 zero)
{
	packet->ethertype += zero;
	packet->vlan += zero;
	packet->fragment += zero;
	packet->protocol += zero;
	packet->transport_offset += zero;
	packet->transport_known += zero;
	packet->phantom_bytes += zero;
}

/* Loads the network header, if there is one, and what stands before it; returns the network header's offset. */
static __always_inline __u32 load_network_header(struct __sk_buff *skb, struct packet *packet,
						  __u64 words[HEADER_WORDS])
{
	__u32 offset = parse_vlan_tags(skb, packet);
	if (packet->ethertype == ETHERTYPE_IPV4)
		load(skb, packet, offset, words, 20);
	else if (packet->ethertype == ETHERTYPE_IPV6)
		load(skb, packet, offset, words, IPV6_HEADER_BYTES);
	return offset; /* where a load failed, `words` are zero and so the version is wrong */
}

static __always_inline void parse(struct __sk_buff *skb, struct packet *packet, __u64 now, __u64 zero)
{
	__u64 words[HEADER_WORDS] = {};
	__u32 offset = 0;

	/* The kernel moves the outermost tag of a received frame out of the data. */
	if (skb->vlan_present)
		packet->vlan = VLAN_PRESENT | (skb->vlan_tci & 0xfff);
	if (!is_vlan_tag(packet->ethertype) && packet->ethertype != ETHERTYPE_IPV4 && packet->ethertype != ETHERTYPE_IPV6)
		return;
	int simple = load_simple_headers(skb, packet, words) + zero;
	if (!simple || is_super_packet(skb))
		packet->link_bytes = link_header_bytes(skb) + zero;
	if (!simple)
		offset = load_network_header(skb, packet, words) + zero;
	forget(packet, zero);
	if (packet->ethertype == ETHERTYPE_IPV4)
		parse_ipv4(packet, words, offset);
	else if (packet->ethertype == ETHERTYPE_IPV6)
		parse_ipv6(skb, packet, words, offset);
	forget(packet, zero);
	if (packet->transport_offset) {
		if (!packet->transport_known)
			load_transport(skb, packet);
		parse_transport(packet);
	}
	if (packet->fragment != FRAGMENT_NONE)
		join_fragments(packet, now);
}
