// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counts the payload that each process moves through each socket, in all network namespaces.
 *
 * The kernel passes two tracepoints at the end of every send and every receive, in the context of the process that
 * made the call: whatever way the data took (send, write, sendfile, sendmmsg, io_uring), whoever created the socket.
 * They do not see splice(2) out of a socket and TCP_ZEROCOPY_RECEIVE; the socket's own counters tell of those.
 *
 * Needs Linux 6.3 (the tracepoints), CAP_BPF and CAP_PERFMON.
 */
#include "tracing.bpf.h"

/* include/linux/socket.h */
#define MSG_PEEK 0x2
#define MSG_ERRQUEUE 0x2000

/* The cookie names a socket and the start time a process for as long as the system runs; a pid alone is used again. */
struct traffic_key {
	__u64 cookie;
	__u64 process_start_ns; /* since boot, suspended time included */
	__u32 pid;              /* of the process (tgid), in the initial PID namespace */
	__u32 unused;
};

/* The layout that TRAFFIC_ROW of socket_traffic.py reads. Holds its key, so that user space needs the values only. */
struct traffic {
	struct traffic_key key;
	__u64 start_ticks; /* process_start_ns as in /proc/PID/stat */
	__u64 rx_bytes;
	__u64 tx_bytes;
	__u64 rx_calls;
	__u64 tx_calls;
	__u64 cgroup_id;     /* of the process at its first call */
	__u64 first_seen_ns; /* CLOCK_MONOTONIC */
	struct endpoints endpoints;
	__u32 net_namespace; /* inode number */
	__u16 protocol;
	__u8 family;
	__u8 type;
	char process_name[16];
	__u32 uid; /* effective, of the process at its first call, in the initial user namespace */
};

struct overflow {
	__u64 rx_bytes;
	__u64 tx_bytes;
	__u64 calls;
};

_Static_assert(sizeof(struct traffic_key) == 24 && sizeof(struct traffic) == 144, "TRAFFIC_ROW");

/* Preallocated: an insert can then fail for one reason only, a full table. Never LRU: that drops counts in silence. */
MAP(traffic, BPF_MAP_TYPE_HASH, struct traffic_key, struct traffic, 65536);
/* What moved through sockets that found no room in the table. */
MAP(overflow, BPF_MAP_TYPE_ARRAY, __u32, struct overflow, 1);

static __always_inline struct traffic *insert(const struct traffic_key *key, const struct sock *sk, __u16 family)
{
	struct traffic fresh = {
		.key = *key,
		.start_ticks = key->process_start_ns / NS_PER_TICK,
		.cgroup_id = bpf_get_current_cgroup_id(),
		.first_seen_ns = bpf_ktime_get_ns(),
		.net_namespace = sk->__sk_common.skc_net.net->ns.inum,
		.protocol = sk->sk_protocol,
		.family = family_number(family),
		.type = sk->sk_type,
		.uid = (__u32)bpf_get_current_uid_gid(),
	};

	bpf_get_current_comm(fresh.process_name, sizeof(fresh.process_name));
	/* It may be there by now: threads of the process use the socket on other CPUs. */
	bpf_map_update_elem(&traffic, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&traffic, key);
}

static __always_inline void count_overflow(__u64 rx_bytes, __u64 tx_bytes)
{
	__u32 only = 0;
	struct overflow *sum = bpf_map_lookup_elem(&overflow, &only);

	if (!sum)
		return;
	__sync_fetch_and_add(&sum->rx_bytes, rx_bytes);
	__sync_fetch_and_add(&sum->tx_bytes, tx_bytes);
	__sync_fetch_and_add(&sum->calls, 1);
}

static __always_inline int count(struct sock *sk, __s32 length, int is_send)
{
	struct task_struct *task;
	struct traffic *row;
	__u16 family, local_port;

	if (length <= 0)
		return 0;
	family = sk->__sk_common.skc_family;
	if (!carries_network_traffic(family))
		return 0;
	task = bpf_get_current_task_btf();
	struct traffic_key key = {
		.cookie = bpf_get_socket_cookie(sk),
		.process_start_ns = process_start_ns(task),
		.pid = task->tgid,
	};
	row = bpf_map_lookup_elem(&traffic, &key);
	if (!row)
		row = insert(&key, sk, family);
	if (!row) {
		count_overflow(is_send ? 0 : length, is_send ? length : 0);
		return 0;
	}
	/*
	 * Anew each time, since a datagram socket may be connected to one peer after the other. A TCP connection that
	 * has ended has lost its local port while data waits to be read: it keeps the ends it had.
	 */
	local_port = sk->__sk_common.skc_num;
	if (family != AF_PACKET && local_port)
		copy_endpoints(&row->endpoints, sk, family, local_port);
	if (is_send) {
		__sync_fetch_and_add(&row->tx_bytes, length);
		__sync_fetch_and_add(&row->tx_calls, 1);
	} else {
		__sync_fetch_and_add(&row->rx_bytes, length);
		__sync_fetch_and_add(&row->rx_calls, 1);
	}
	return 0;
}

/* TP_PROTO(struct sock *sk, int ret, int flags), include/trace/events/sock.h */
SEC("tp_btf/sock_send_length")
int count_send(__u64 *arguments)
{
	return count((struct sock *)arguments[0], (__s32)arguments[1], 1);
}

SEC("tp_btf/sock_recv_length")
int count_receive(__u64 *arguments)
{
	/* Peeked data is read again later; the error queue hands a sender back what it sent. */
	if (arguments[2] & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	return count((struct sock *)arguments[0], (__s32)arguments[1], 0);
}

char license_name[] SEC("license") = "GPL";
