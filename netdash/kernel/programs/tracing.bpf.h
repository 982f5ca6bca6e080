/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tracing programs share: the members of kernel structures that they read, and how an address is stored.
 *
 * The structures hold those members only, in any order: `preserve_access_index` makes clang record which member each
 * instruction means, and the loader puts in the offset that the running kernel has (its BTF says so). Kernel memory is
 * read through plain pointers, not bpf_probe_read_kernel(): faster, and allowed under lockdown.
 */
#ifndef NETDASH_TRACING_BPF_H
#define NETDASH_TRACING_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* include/linux/socket.h */
#define AF_INET 2
#define AF_INET6 10
#define AF_PACKET 17

/* What a start time in /proc/PID/stat counts in: USER_HZ is 100 on all machines that these programs are built for. */
#define NS_PER_TICK 10000000ULL

/* Read by build.py; user space creates the maps and may change max_entries. */
struct map_definition {
	__u32 type;
	__u32 key_bytes;
	__u32 value_bytes;
	__u32 max_entries;
	__u32 flags;
};

#define MAP(name, map_type, key, value, entries)                                                                       \
	struct map_definition name SEC("maps") = {                                                                     \
		.type = map_type,                                                                                      \
		.key_bytes = sizeof(key),                                                                              \
		.value_bytes = sizeof(value),                                                                          \
		.max_entries = entries,                                                                                \
	}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	__u32 inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	__u8 skc_state;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

typedef struct {
	__u32 val;
} kuid_t;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	kuid_t sk_uid;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
};

struct task_struct {
	__s32 tgid;
	__u64 start_boottime;
	struct task_struct *group_leader;
	struct mm_struct *mm;
};

#pragma clang attribute pop

/* Both ends of a socket. Addresses are IPv6, or IPv4 as ::ffff:a.b.c.d; any wildcard is all zeros. */
struct endpoints {
	__be32 local[4];
	__be32 remote[4];
	__u16 local_port;
	__u16 remote_port;
};

_Static_assert(sizeof(struct endpoints) == 36, "layout");

static __always_inline int carries_network_traffic(__u16 family)
{
	return family == AF_INET || family == AF_INET6 || family == AF_PACKET;
}

/* As netdash names families: 4, 6, 17 for a packet socket. */
static __always_inline __u8 family_number(__u16 family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 6 : AF_PACKET;
}

static __always_inline void copy_ipv4(__be32 *into, __be32 address)
{
	into[0] = 0;
	into[1] = 0;
	into[2] = address ? bpf_htonl(0xffff) : 0;
	into[3] = address;
}

static __always_inline void copy_ipv6(__be32 *into, const struct in6_addr *address)
{
	into[0] = address->in6_u.u6_addr32[0];
	into[1] = address->in6_u.u6_addr32[1];
	into[2] = address->in6_u.u6_addr32[2];
	into[3] = address->in6_u.u6_addr32[3];
}

/* Not for AF_PACKET, which has no addresses of this kind. */
static __always_inline void copy_endpoints(struct endpoints *into, const struct sock *sk, __u16 family,
					   __u16 local_port)
{
	into->local_port = local_port;
	into->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (family == AF_INET) {
		copy_ipv4(into->local, sk->__sk_common.skc_rcv_saddr);
		copy_ipv4(into->remote, sk->__sk_common.skc_daddr);
	} else {
		copy_ipv6(into->local, &sk->__sk_common.skc_v6_rcv_saddr);
		copy_ipv6(into->remote, &sk->__sk_common.skc_v6_daddr);
	}
}

/* A thread has its own start time; the process's is that of its first thread, also after another one called execve. */
static __always_inline __u64 process_start_ns(const struct task_struct *task)
{
	return task->group_leader->start_boottime;
}

#endif
