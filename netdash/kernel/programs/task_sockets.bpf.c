// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists which process has which socket: an iterator over all open files of all processes, in all network namespaces.
 *
 * Each reading of the iterator's descriptor runs this once per open file; what it writes is what user space reads.
 * Needs Linux 5.12 (bpf_get_socket_cookie here), CAP_BPF and CAP_PERFMON.
 */
#include "tracing.bpf.h"

/* include/net/tcp_states.h, include/net/sock.h, include/uapi/linux/in.h */
#define TCP_LISTEN 10
#define SOCK_DONE 1
#define PROTOCOL_TCP 6

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct tcp_sock {
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u32 srtt_us;
};

struct socket {
	struct sock *sk;
};

struct inode {
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

#pragma clang attribute pop

/* The program's argument, with offsets that the kernel fixes (kernel/bpf/task_iter.c). */
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	__u32 unused;
	struct file *file;
};

/* The layout that TASK_SOCKET_ROW of task_sockets.py reads. */
struct task_socket {
	__u64 cookie;
	__u64 start_ticks; /* of the process, as in /proc/PID/stat */
	__u32 pid;         /* of the process (tgid), in the initial PID namespace */
	__u32 fd;
	__u64 rx_bytes;
	__u64 tx_bytes;
	struct endpoints endpoints;
	__u32 net_namespace; /* inode number */
	__u32 inode;
	__u32 uid;
	__u32 rtt_us;
	__u16 protocol;
	__u8 family;
	__u8 type;
	__u8 state;
	__u8 has_counters;
	__u8 unused[6];
};

_Static_assert(sizeof(struct task_socket) == 104, "TASK_SOCKET_ROW");

static __always_inline void copy_tcp_counters(struct task_socket *row, struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp)
		return;
	row->has_counters = 1;
	row->tx_bytes = tcp->bytes_sent - tcp->bytes_retrans;
	row->rx_bytes = tcp->bytes_received;
	/* The kernel counts the peer's FIN as a byte; SOCK_DONE says that it has come. */
	if (sk->__sk_common.skc_flags & (1 << SOCK_DONE) && row->rx_bytes)
		row->rx_bytes--;
	row->rtt_us = tcp->srtt_us >> 3;
}

SEC("iter/task_file")
int list_sockets(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct task_socket row = {};
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (!task || !file) /* the end of the list */
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	family = sk->__sk_common.skc_family;
	if (!carries_network_traffic(family))
		return 0;
	row.cookie = bpf_get_socket_cookie(sk);
	row.start_ticks = process_start_ns(task) / NS_PER_TICK;
	row.pid = task->tgid;
	row.fd = context->fd;
	row.net_namespace = sk->__sk_common.skc_net.net->ns.inum;
	row.inode = file->f_inode->i_ino;
	row.uid = sk->sk_uid.val;
	row.protocol = sk->sk_protocol;
	row.family = family_number(family);
	row.type = sk->sk_type;
	row.state = sk->__sk_common.skc_state;
	if (family != AF_PACKET)
		copy_endpoints(&row.endpoints, sk, family, sk->__sk_common.skc_num);
	if (row.protocol == PROTOCOL_TCP && row.state != TCP_LISTEN)
		copy_tcp_counters(&row, sk);
	bpf_seq_write(context->meta->seq, &row, sizeof(row));
	return 0;
}

char license_name[] SEC("license") = "GPL";
