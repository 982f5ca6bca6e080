// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keeps the command line of every program that is started, for processes that are gone before /proc can be read.
 *
 * Needs Linux 5.5, CAP_BPF and CAP_PERFMON.
 */
#include "tracing.bpf.h"

#define COMMAND_BYTES 256

struct exec_key {
	__u64 start_ticks; /* of the process, as in /proc/PID/stat */
	__u32 pid;         /* of the process (tgid), in the initial PID namespace */
	__u32 unused;
};

/* The layout that exec_trace.py reads. */
struct command_line {
	__u64 full_bytes; /* how long the command line is, which may be more than is kept */
	char arguments[COMMAND_BYTES];
};

_Static_assert(sizeof(struct exec_key) == 16 && sizeof(struct command_line) == 264, "layout");

/* Losing an entry costs a process that has ended its command line, nothing of the counts: so an LRU map is enough. */
MAP(commands, BPF_MAP_TYPE_LRU_HASH, struct exec_key, struct command_line, 8192);

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm), include/trace/events/sched.h */
SEC("tp_btf/sched_process_exec")
int keep_command(__u64 *arguments)
{
	struct task_struct *task = (struct task_struct *)arguments[0];
	struct mm_struct *memory = task->mm;
	struct command_line command = {};
	struct exec_key key = {};
	__u64 start, length;

	if (!memory)
		return 0;
	start = memory->arg_start;
	length = memory->arg_end - start;
	command.full_bytes = length;
	if (length > COMMAND_BYTES)
		length = COMMAND_BYTES;
	/* The kernel has just written these pages of the new program, so they are there: nothing is paged in here. */
	if (bpf_probe_read_user(command.arguments, length, (void *)start) < 0)
		return 0;
	key.start_ticks = process_start_ns(task) / NS_PER_TICK;
	key.pid = task->tgid;
	bpf_map_update_elem(&commands, &key, &command, BPF_ANY);
	return 0;
}

char license_name[] SEC("license") = "GPL";
