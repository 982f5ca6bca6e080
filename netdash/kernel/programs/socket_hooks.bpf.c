// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counts the payload that each socket moves, and notes which process made it or used it first, in all network
 * namespaces: for kernels without the tracepoints of socket_traffic.bpf.c.
 *
 * The packets of a socket pass in no particular process, so bytes are counted by socket. Whose it is is known from the
 * calls that run in the process: socket(2), connect(2) and sendto(2) with an address. A socket that accept(2) made, or
 * that was there before, has no process here; who holds it is to be found otherwise. Packet sockets do not pass.
 *
 * Payload of TCP is what the socket's own sequence numbers say, each byte once; of anything else what follows the
 * headers of its packets, those included that the socket has no room for.
 *
 * Attached to the root of the cgroup-v2 hierarchy. Needs Linux 5.9, no BTF; CAP_BPF, CAP_NET_ADMIN, and CAP_PERFMON for
 * the name of the process.
 */
#include "tracing.bpf.h"

/* include/net/tcp_states.h, include/uapi/linux/in.h, include/linux/net.h */
#define TCP_LISTEN 10
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define SOCK_RAW 3

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define UDP_HEADER_BYTES 8
#define IPV6_HEADER_BYTES 40

/* IPv6 extension headers (RFC 8200) that may stand before TCP and UDP. */
#define HOP_BY_HOP 0
#define ROUTING 43
#define DESTINATION 60
#define MAX_EXTENSIONS 3

#define ALLOW 1

/* The layout that HOOKED_ROW of socket_hooks.py reads. Holds its key, so that user space needs the values only. */
struct hooked {
	__u64 cookie;
	__u64 owned_ns; /* since boot, suspended time included: when the process was noted; 0 = it was not */
	__u64 rx_bytes;
	__u64 tx_bytes;
	__u64 net_namespace_cookie; /* 0 = not known */
	__u64 rx_base;              /* what a connection had received when it was first seen */
	struct endpoints endpoints;
	__u32 pid; /* of the process (tgid), in the initial PID namespace */
	__u32 uid;
	__u32 tx_next; /* sequence number after the last byte sent */
	__u32 fin_end; /* sequence number after the FIN that came last */
	__u16 protocol;
	__u8 family;
	__u8 type;
	__u8 has_tx_next;
	__u8 has_fin;
	__u8 has_base;
	__u8 released; /* its last descriptor is closed */
	char process_name[16];
	__u32 unused;
};

struct overflow {
	__u64 sockets;
};

_Static_assert(sizeof(struct hooked) == 128, "HOOKED_ROW");

/* Preallocated, as in socket_traffic.bpf.c: an insert can fail for one reason only, a full table. */
MAP(sockets, BPF_MAP_TYPE_HASH, __u64, struct hooked, 65536);
/* How many times a socket found no room in the table. */
MAP(overflow, BPF_MAP_TYPE_ARRAY, __u32, struct overflow, 1);

static __always_inline struct hooked *insert(const struct hooked *fresh)
{
	struct hooked *row;
	struct overflow *sum;
	__u32 only = 0;

	bpf_map_update_elem(&sockets, &fresh->cookie, fresh, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&sockets, &fresh->cookie);
	if (row)
		return row;
	sum = bpf_map_lookup_elem(&overflow, &only);
	if (sum)
		__sync_fetch_and_add(&sum->sockets, 1);
	return 0;
}

/* The current process uses the socket: it is its own from now on. */
static __always_inline void own(__u64 cookie, __u64 net_namespace_cookie, __u32 family, __u32 type, __u32 protocol)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct hooked *row = bpf_map_lookup_elem(&sockets, &cookie);

	if (!row) {
		struct hooked fresh = {
			.cookie = cookie,
			.family = family_number(family),
			.type = type,
			.protocol = protocol,
		};
		row = insert(&fresh);
		if (!row)
			return;
	}
	if (row->pid == pid)
		return;
	row->pid = pid;
	row->uid = (__u32)bpf_get_current_uid_gid();
	row->net_namespace_cookie = net_namespace_cookie;
	row->owned_ns = bpf_ktime_get_boot_ns();
	bpf_get_current_comm(row->process_name, sizeof(row->process_name));
}

SEC("cgroup/sock_create")
int note_creator(struct bpf_sock *sk)
{
	own(bpf_get_socket_cookie(sk), bpf_get_netns_cookie(sk), sk->family, sk->type, sk->protocol);
	return ALLOW;
}

SEC("cgroup/sock_release")
int note_release(struct bpf_sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct hooked *row = bpf_map_lookup_elem(&sockets, &cookie);

	if (row)
		row->released = 1;
	return ALLOW;
}

static __always_inline int note_user(struct bpf_sock_addr *address)
{
	own(bpf_get_socket_cookie(address), bpf_get_netns_cookie(address), address->family, address->type,
	    address->protocol);
	return ALLOW;
}

SEC("cgroup/connect4")
int note_connect4(struct bpf_sock_addr *address)
{
	return note_user(address);
}

SEC("cgroup/connect6")
int note_connect6(struct bpf_sock_addr *address)
{
	return note_user(address);
}

SEC("cgroup/sendmsg4")
int note_sendmsg4(struct bpf_sock_addr *address)
{
	return note_user(address);
}

SEC("cgroup/sendmsg6")
int note_sendmsg6(struct bpf_sock_addr *address)
{
	return note_user(address);
}

static __always_inline void copy_ends(struct endpoints *into, struct bpf_sock *sk)
{
	into->local_port = sk->src_port;
	into->remote_port = bpf_ntohs(sk->dst_port);
	if (sk->family == AF_INET) {
		copy_ipv4(into->local, sk->src_ip4);
		copy_ipv4(into->remote, sk->dst_ip4);
		return;
	}
	into->local[0] = sk->src_ip6[0];
	into->local[1] = sk->src_ip6[1];
	into->local[2] = sk->src_ip6[2];
	into->local[3] = sk->src_ip6[3];
	into->remote[0] = sk->dst_ip6[0];
	into->remote[1] = sk->dst_ip6[1];
	into->remote[2] = sk->dst_ip6[2];
	into->remote[3] = sk->dst_ip6[3];
}

/* Where what follows the IP headers begins; negative if the packet is not IP. */
static __always_inline int ip_header_bytes(struct __sk_buff *skb)
{
	int offset = IPV6_HEADER_BYTES;
	__u8 first, next, extension[2];

	if (bpf_skb_load_bytes(skb, 0, &first, 1) < 0)
		return -1;
	if (first >> 4 == 4)
		return (first & 0xf) * 4;
	if (first >> 4 != 6 || bpf_skb_load_bytes(skb, 6, &next, 1) < 0)
		return -1;
#pragma unroll
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		if (next != HOP_BY_HOP && next != ROUTING && next != DESTINATION)
			break;
		if (bpf_skb_load_bytes(skb, offset, extension, sizeof(extension)) < 0)
			return -1;
		next = extension[0];
		offset += (extension[1] + 1) * 8;
	}
	return offset;
}

/* What the connection has received in order. The kernel counts the peer's FIN as a byte. */
static __always_inline void count_received(struct hooked *row, struct bpf_sock *sk, int is_egress)
{
	struct bpf_tcp_sock *tcp = bpf_tcp_sock(sk);
	__u64 received;

	if (!tcp)
		return;
	received = tcp->bytes_received;
	if (row->has_fin && tcp->rcv_nxt == row->fin_end && received)
		received--;
	if (!row->has_base) {
		/* A new connection has sent nothing but the packet at hand; an older one counts from now on. */
		row->rx_base = tcp->segs_out > (__u32)is_egress ? received : 0;
		row->has_base = 1;
	}
	if (received > row->rx_base)
		row->rx_bytes = received - row->rx_base;
}

static __always_inline void count_segment(struct hooked *row, struct bpf_sock *sk, struct __sk_buff *skb, int offset,
					  int is_egress)
{
	__u8 header[14]; /* up to the flags */
	__u32 sequence, length, end;
	__s32 ahead;

	if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)) < 0)
		return;
	sequence = (__u32)header[4] << 24 | (__u32)header[5] << 16 | (__u32)header[6] << 8 | header[7];
	length = skb->len - offset - (header[12] >> 4) * 4;
	if (header[13] & TCP_FLAG_SYN)
		sequence++;
	end = sequence + length;
	if (is_egress) {
		/* What was sent before is no news; a FIN takes a sequence number and is no data. */
		ahead = row->has_tx_next ? (__s32)(end - row->tx_next) : (__s32)length;
		if (ahead > 0)
			row->tx_bytes += (__u32)ahead < length ? (__u32)ahead : length;
		if (ahead > 0 || !row->has_tx_next)
			row->tx_next = end;
		row->has_tx_next = 1;
	} else if (header[13] & TCP_FLAG_FIN) {
		row->fin_end = end + 1;
		row->has_fin = 1;
	}
	count_received(row, sk, is_egress);
}

static __always_inline void count_datagram(struct hooked *row, struct __sk_buff *skb, int offset, int is_egress)
{
	__u32 headers = offset;

	if (row->protocol == PROTOCOL_UDP && row->type != SOCK_RAW)
		headers += UDP_HEADER_BYTES;
	else if (row->type == SOCK_RAW && !is_egress && row->family == 4)
		headers = 0; /* a raw socket's process reads the IPv4 header as data */
	if (skb->len > headers)
		__sync_fetch_and_add(is_egress ? &row->tx_bytes : &row->rx_bytes, skb->len - headers);
}

static __always_inline int count(struct __sk_buff *skb, int is_egress)
{
	struct bpf_sock *sk = skb->sk;
	struct hooked *row;
	__u64 cookie;
	int offset;

	if (!sk)
		return ALLOW;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->state == TCP_LISTEN)
		return ALLOW;
	offset = ip_header_bytes(skb);
	if (offset < 0)
		return ALLOW;
	cookie = bpf_get_socket_cookie(skb);
	row = bpf_map_lookup_elem(&sockets, &cookie);
	if (!row) {
		struct hooked fresh = {
			.cookie = cookie,
			.family = family_number(sk->family),
			.type = sk->type,
			.protocol = sk->protocol,
		};
		row = insert(&fresh);
		if (!row)
			return ALLOW;
	}
	/* A connection that has ended has lost its local port: it keeps the ends it had. */
	if (sk->src_port)
		copy_ends(&row->endpoints, sk);
	if (row->protocol == PROTOCOL_TCP && row->type != SOCK_RAW)
		count_segment(row, sk, skb, offset, is_egress);
	else
		count_datagram(row, skb, offset, is_egress);
	return ALLOW;
}

SEC("cgroup_skb/ingress")
int count_ingress(struct __sk_buff *skb)
{
	return count(skb, 0);
}

SEC("cgroup_skb/egress")
int count_egress(struct __sk_buff *skb)
{
	return count(skb, 1);
}

char license_name[] SEC("license") = "GPL";
