// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counts packets per flow: a socket filter on an AF_PACKET/SOCK_RAW socket that sees every packet of a network
 * namespace and lets none through to user space but those that somebody watches. Everything that is counted stands in pairs of maps, one written
 * here while user space empties the other; `control` says which.
 *
 * Rules that let this load with CAP_NET_RAW and CAP_BPF alone (no CAP_PERFMON), from Linux 5.10 on:
 *  - no variable offset into a map value: what varies is part of the map's key;
 *  - stack memory is written in whole 8-byte words only, hence the keys packed by shifts;
 *  - no loops for the verifier to follow (unrolled), no fetching atomics (-mcpu=v2).
 *
 * Byte order: the packing by shifts is that of little-endian machines.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "flows_packet.bpf.h"
#include "flows_watch.bpf.h"

#ifdef COARSE_TIME
#define now_ns() bpf_ktime_get_coarse_ns() /* Linux 5.11; 25 ns per packet cheaper, as fine as the timer tick */
#else
#define now_ns() bpf_ktime_get_ns()
#endif

#define FLAG_OVERFLOW 0x8000ULL

/* The layout that FLOW_KEY of raw_flow.py reads. Never written field by field (see above) but as `struct key_words`. */
struct flow_key {
	__u32 ifindex;
	__u8 packet_type;
	__u8 protocol;
	__u16 ethertype;
	__u16 vlan;
	__u16 flags;
	__be16 source_port;
	__be16 destination_port;
	__u64 source[2];
	__u64 destination[2];
};

struct key_words {
	__u64 identity; /* ifindex, packet_type, protocol, ethertype */
	__u64 ports;    /* vlan, flags, source_port, destination_port */
	__u64 source[2];
	__u64 destination[2];
};

struct flow_value {
	__u64 wire_packets;
	__u64 wire_bytes;
	__u64 station; /* see station_of(): of the packet that made the entry */
	__u64 last_ns;
	__u64 skb_bytes;
	__u32 tcp_flags;
	__u32 skb_packets;
};

_Static_assert(sizeof(struct flow_key) == 48 && sizeof(struct key_words) == 48, "FLOW_KEY");
_Static_assert(sizeof(struct flow_value) == 48, "FLOW_VALUE");

/* Preallocated: an insert can then fail for one reason only, a full table. Never LRU: that drops counts in silence. */
MAP(flows_0, BPF_MAP_TYPE_HASH, struct flow_key, struct flow_value, 131072, 0);
MAP(flows_1, BPF_MAP_TYPE_HASH, struct flow_key, struct flow_value, 131072, 0);
/* Where packets go whose flow found no room. User space puts an all-zero key with FLAG_OVERFLOW into each. */
MAP(overflow_0, BPF_MAP_TYPE_HASH, struct flow_key, struct flow_value, 4096, 0);
MAP(overflow_1, BPF_MAP_TYPE_HASH, struct flow_key, struct flow_value, 4096, 0);
/* Frames by (ifindex, outgoing, bucket). Per CPU, since all CPUs share these few counters. */
MAP(sizes_0, BPF_MAP_TYPE_PERCPU_HASH, __u64, __u64, 32768, BPF_F_NO_PREALLOC);
MAP(sizes_1, BPF_MAP_TYPE_PERCPU_HASH, __u64, __u64, 32768, BPF_F_NO_PREALLOC);

/*
 * Non-IP frames by station: all ARP of an interface is one flow. IP frames are summed from the flows, whose stations do
 * not change within an interval but for a fail-over. User space puts in an all-zero key, for what finds no room.
 */
struct station_key {
	__u64 place; /* ifindex, outgoing */
	__u64 station;
};
struct station_value {
	__u64 packets;
	__u64 bytes;
};
MAP(stations_0, BPF_MAP_TYPE_HASH, struct station_key, struct station_value, 4096, BPF_F_NO_PREALLOC);
MAP(stations_1, BPF_MAP_TYPE_HASH, struct station_key, struct station_value, 4096, BPF_F_NO_PREALLOC);

struct control {
	__u64 active; /* which of each pair is written, 0 or 1 */
	__u64 zero;   /* 0, but the verifier does not know: see forget() */
	struct watch watch;
};
MAP(control, BPF_MAP_TYPE_ARRAY, __u32, struct control, 1, 0);

/* What one packet adds to its flow. */
struct amount {
	__u64 wire_packets;
	__u64 wire_bytes;
	__u64 skb_bytes;
	__u64 tcp_flags;
	__u64 now_ns;
};

static __always_inline void add(struct flow_value *value, const struct amount *amount)
{
	__sync_fetch_and_add(&value->wire_packets, amount->wire_packets);
	__sync_fetch_and_add(&value->wire_bytes, amount->wire_bytes);
	__sync_fetch_and_add(&value->skb_bytes, amount->skb_bytes);
	__sync_fetch_and_add(&value->skb_packets, 1);
	value->last_ns = amount->now_ns;
	/* Atomic or needs Linux 5.12; two CPUs that see a flag of one flow for the first time at once are rare. */
	if ((value->tcp_flags & amount->tcp_flags) != amount->tcp_flags)
		value->tcp_flags |= amount->tcp_flags;
}

/*
 * The MAC address at the other end, in the low 6 bytes: who sent a received frame, to whom a sent one goes. What this is
 * of a device without Ethernet headers means nothing; user space knows which those are.
 */
static __always_inline __u64 station_of(struct __sk_buff *skb)
{
	__u64 frame[2] = {};

	if (bpf_skb_load_bytes_relative(skb, 0, frame, ETHERNET_HEADER_BYTES, BPF_HDR_START_MAC) < 0)
		return 0;
	if (skb->pkt_type == PACKET_OUTGOING)
		return frame[0] & 0xffffffffffffULL;
	return frame[0] >> 48 | (frame[1] & 0xffffffff) << 16;
}

static __always_inline void count_station(void *map, struct __sk_buff *skb, const struct packet *packet,
					  const struct amount *amount)
{
	__u64 outgoing = packet->packet_type == PACKET_OUTGOING;
	struct station_key key = {.place = packet->ifindex | outgoing << 32, .station = station_of(skb)};
	struct station_value *value = bpf_map_lookup_elem(map, &key);

	if (!value) {
		struct station_value none = {};
		bpf_map_update_elem(map, &key, &none, BPF_NOEXIST);
		value = bpf_map_lookup_elem(map, &key);
	}
	if (!value) {
		key.place = key.station = 0;
		value = bpf_map_lookup_elem(map, &key);
	}
	if (value) {
		__sync_fetch_and_add(&value->packets, amount->wire_packets);
		__sync_fetch_and_add(&value->bytes, amount->wire_bytes);
	}
}

/* 0, or negative when the map is full. */
static __always_inline int count(void *map, struct __sk_buff *skb, const struct key_words *key,
				 const struct amount *amount)
{
	struct flow_value *value = bpf_map_lookup_elem(map, key);
	if (value) {
		add(value, amount);
		return 0;
	}
	__u64 first[6] = {
		amount->wire_packets, amount->wire_bytes, station_of(skb),
		amount->now_ns,       amount->skb_bytes,  amount->tcp_flags | 1ULL << 32,
	};
	if (bpf_map_update_elem(map, key, first, BPF_NOEXIST) == 0)
		return 0;
	value = bpf_map_lookup_elem(map, key); /* another CPU came first, or the map is full */
	if (!value)
		return -1;
	add(value, amount);
	return 0;
}

/* Coarser and coarser keys, so that no packet is left out whatever fills the tables. */
static __always_inline void count_overflow(void *map, struct __sk_buff *skb, struct key_words *key, const struct amount *amount)
{
	key->ports = (key->ports & 0xffff) | FLAG_OVERFLOW << 16; /* keeps the VLAN */
	key->source[0] = key->source[1] = key->destination[0] = key->destination[1] = 0;
	if (count(map, skb, key, amount) == 0)
		return;
	key->identity &= 0xffffffffffULL; /* keeps ifindex and packet_type */
	key->ports = FLAG_OVERFLOW << 16;
	if (count(map, skb, key, amount) == 0)
		return;
	key->identity = 0;
	struct flow_value *rest = bpf_map_lookup_elem(map, key);
	if (rest)
		add(rest, amount);
}

/* Buckets of SIZE_LIMITS in raw_flow.py: 20 of 75 bytes, up to 1518, up to 9018, above. */
static __always_inline __u64 size_bucket(__u64 frame_bytes)
{
	if (frame_bytes == 0)
		return 0;
	if (frame_bytes <= 1500)
		return ((frame_bytes - 1) * 874) >> 16; /* division by 75, exact in this range */
	return frame_bytes <= 1518 ? 20 : frame_bytes <= 9018 ? 21 : 22;
}

static __always_inline void count_size(void *map, const struct packet *packet, __u64 frame_bytes, __u64 frames)
{
	__u64 outgoing = packet->packet_type == PACKET_OUTGOING;
	__u64 key = packet->ifindex | outgoing << 32 | size_bucket(frame_bytes) << 40;
	__u64 *counter = bpf_map_lookup_elem(map, &key);

	if (!counter) {
		__u64 first = frames;
		if (bpf_map_update_elem(map, &key, &first, BPF_NOEXIST) == 0)
			return;
		counter = bpf_map_lookup_elem(map, &key); /* another CPU came first */
	}
	if (counter)
		*counter += frames; /* per CPU, and no filter interrupts another on its CPU */
}

/*
 * Makes of a super-packet (segmentation offload out, receive offload in) the frames on the wire: each repeats all
 * headers. Returns the bytes of each full frame; the last one has the rest. What the fields do not tell: headers inside
 * a tunnel (VXLAN, GRE) are repeated too but not seen here, so encapsulated super-packets count some bytes too few;
 * and of UDP cut by IP fragmentation (old guests' UFO), which repeats no UDP header, 8 bytes per fragment too many.
 */
static __always_inline __u64 unfold_segments(struct __sk_buff *skb, const struct packet *packet, struct amount *amount)
{
#ifndef NO_GSO_FIELDS
	__u64 segment_bytes = skb->gso_size;
	if (segment_bytes && packet->transport_offset) {
		__u64 header_bytes = packet->link_bytes + packet->transport_offset + packet->transport_bytes;
		header_bytes -= packet->phantom_bytes;
		if (skb->vlan_present)
			header_bytes += VLAN_TAG_BYTES;
		__u64 sent_bytes = amount->wire_bytes - packet->phantom_bytes;
		__u64 segments = skb->gso_segs;
		if (segments < 2 && sent_bytes > header_bytes) /* not filled in by every guest's driver */
			segments = (sent_bytes - header_bytes + segment_bytes - 1) / segment_bytes;
		if (segments > 1) {
			amount->wire_packets = segments;
			amount->wire_bytes = sent_bytes + (segments - 1) * header_bytes;
			__u64 frame_bytes = segment_bytes + header_bytes;
			/* SCTP gives no segment size but 0xffff: take the mean. */
			if (frame_bytes * (segments - 1) >= amount->wire_bytes)
				frame_bytes = amount->wire_bytes / segments;
			return frame_bytes;
		}
	}
#endif
	return amount->wire_bytes;
}

static __always_inline void count_packet(void *flows, void *overflow, void *sizes, void *stations,
					 struct __sk_buff *skb, struct key_words *key, const struct packet *packet,
					 const struct amount *amount, __u64 frame_bytes)
{
	__u64 full_frames = amount->wire_packets - 1;

	if (full_frames)
		count_size(sizes, packet, frame_bytes, full_frames);
	count_size(sizes, packet, amount->wire_bytes - full_frames * frame_bytes, 1);
	if (packet->ethertype != ETHERTYPE_IPV4 && packet->ethertype != ETHERTYPE_IPV6)
		count_station(stations, skb, packet, amount);
	if (count(flows, skb, key, amount) < 0)
		count_overflow(overflow, skb, key, amount);
}

SEC("socket")
int count_flows(struct __sk_buff *skb)
{
	__u64 slot = 0;
	const struct control *setting = bpf_map_lookup_elem(&control, &slot);
	if (!setting)
		return 0;
	struct amount amount = {
		.wire_packets = 1,
		.wire_bytes = skb->len + (skb->vlan_present ? VLAN_TAG_BYTES : 0),
		.skb_bytes = skb->len,
		.now_ns = now_ns(),
	};
	struct packet packet = {
		.ifindex = skb->ifindex,
		.packet_type = skb->pkt_type,
		.ethertype = bpf_ntohs((__u16)skb->protocol),
	};
	parse(skb, &packet, amount.now_ns, setting->zero);
	amount.tcp_flags = packet.tcp_flags;
	__u64 frame_bytes = unfold_segments(skb, &packet, &amount);
	amount.wire_packets += setting->zero; /* see forget() */

	struct key_words key = {
		.identity = packet.ifindex | (packet.packet_type & 0xff) << 32 | packet.protocol << 40 | packet.ethertype << 48,
		.ports = packet.vlan | packet.flags << 16 | packet.ports << 32,
		.source = {packet.source[0], packet.source[1]},
		.destination = {packet.destination[0], packet.destination[1]},
	};
	if (setting->active)
		count_packet(&flows_1, &overflow_1, &sizes_1, &stations_1, skb, &key, &packet, &amount,
			     frame_bytes);
	else
		count_packet(&flows_0, &overflow_0, &sizes_0, &stations_0, skb, &key, &packet, &amount,
			     frame_bytes);
	return watched_bytes(&setting->watch, &packet); /* that many are queued for user space */
}

char _license[] SEC("license") = "GPL";
