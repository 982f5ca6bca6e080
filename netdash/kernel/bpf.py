"""bpf(2) without a library: the call, its errors, program loading, test runs and statistics, through ctypes.

Layouts and numbers: `union bpf_attr` and `struct bpf_prog_info` of include/uapi/linux/bpf.h, which only ever grow.
File descriptors own everything: when the last one is closed, also by SIGKILL, the kernel frees the object.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

from netdash.errors import NotSupportedError

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_GENERIC_CALLS = (280, 283)
_CALLS = {
    "x86_64": (321, 324),
    "aarch64": _GENERIC_CALLS,
    "riscv64": _GENERIC_CALLS,
    "loongarch64": _GENERIC_CALLS,
    "armv7l": (386, 389),
    "i686": (357, 375),
    "ppc64le": (361, 365),
}
"""Numbers of bpf and membarrier on the little-endian machines for which the programs are built."""

INSTRUCTION_BYTES = 8
_VERIFIER_LOG_BYTES = 1 << 24
_PROGRAM_INFO_BYTES = 256
"""More than this reads of it; the kernel fills as much as it knows and leaves the rest zero."""
_MEMBARRIER_GLOBAL = 1
_SETTLE_SECONDS = 0.02


class Command(IntEnum):
    """`enum bpf_cmd`."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_LOAD = 5
    PROG_TEST_RUN = 10
    OBJ_GET_INFO_BY_FD = 15
    RAW_TRACEPOINT_OPEN = 17
    MAP_LOOKUP_BATCH = 24
    MAP_LOOKUP_AND_DELETE_BATCH = 25
    MAP_DELETE_BATCH = 27
    LINK_CREATE = 28
    ITER_CREATE = 33


class ProgramType(IntEnum):
    """`enum bpf_prog_type`."""

    SOCKET_FILTER = 1
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    CGROUP_SOCK_ADDR = 18
    TRACING = 26


class AttachType(IntEnum):
    """`enum bpf_attach_type`."""

    NONE = 0
    CGROUP_INET_INGRESS = 0
    CGROUP_INET_EGRESS = 1
    CGROUP_INET_SOCK_CREATE = 2
    CGROUP_INET4_CONNECT = 10
    CGROUP_INET6_CONNECT = 11
    CGROUP_UDP4_SENDMSG = 14
    CGROUP_UDP6_SENDMSG = 15
    TRACE_RAW_TP = 23
    TRACE_ITER = 28
    CGROUP_INET_SOCK_RELEASE = 34


class BpfError(OSError):
    """bpf(2) failed; `command` says at what."""

    def __init__(self, code: int, command: Command, detail: str = "") -> None:
        super().__init__(code, f"BPF_{command.name}: {os.strerror(code)}{detail and f' ({detail})'}")
        self.command = command


class ProgramRejectedError(BpfError):
    """The verifier refused a program; the message ends with its last words, `log` has all of them."""

    def __init__(self, code: int, log: str) -> None:
        lines = [line for line in log.splitlines() if line and not line.startswith("processed ")]
        super().__init__(code, Command.PROG_LOAD, lines[-1] if lines else "")
        self.log = log


class _ProgramLoad(ctypes.Structure):
    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * 16),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("prog_btf_fd", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_uint64),
        ("func_info_cnt", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("line_info", ctypes.c_uint64),
        ("line_info_cnt", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
    )


class _TestRun(ctypes.Structure):
    _fields_ = (
        ("prog_fd", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("data_in", ctypes.c_uint64),
        ("data_out", ctypes.c_uint64),
        ("repeat", ctypes.c_uint32),
        ("duration", ctypes.c_uint32),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_uint64),
        ("ctx_out", ctypes.c_uint64),
    )


class _Info(ctypes.Structure):
    _fields_ = (
        ("bpf_fd", ctypes.c_uint32),
        ("info_len", ctypes.c_uint32),
        ("info", ctypes.c_uint64),
    )


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """`run_*` stay 0 unless the sysctl kernel.bpf_stats_enabled is 1."""

    program_id: int
    run_time_ns: int
    run_count: int
    missed_count: int
    """Runs that were left out because the program was already running on that CPU (Linux 5.12)."""


def _call_numbers() -> tuple[int, int]:
    machine = platform.machine()
    try:
        return _CALLS[machine]
    except KeyError:
        raise NotSupportedError(f"eBPF: not built for this machine ({machine}); use the packet ring") from None


def bpf_call(command: Command, attributes: ctypes.Structure) -> int:
    """Releases the GIL while in the kernel. Raises BpfError."""
    number = _call_numbers()[0]
    size = ctypes.c_uint(ctypes.sizeof(attributes))
    result = int(_libc.syscall(ctypes.c_long(number), ctypes.c_int(command), ctypes.byref(attributes), size))
    if result < 0:
        raise BpfError(ctypes.get_errno(), command)
    return result


def wait_for_running_programs() -> None:
    """Returns when every program run that began before the call has ended. Blocks for some 10 ms.

    Programs run inside RCU read-side sections, and membarrier(2) waits for a grace period of those. Where it
    cannot (nohz_full CPUs, seccomp), a pause that is long for a packet's way through the stack has to do.
    """
    number = _call_numbers()[1]
    if _libc.syscall(ctypes.c_long(number), ctypes.c_int(_MEMBARRIER_GLOBAL), ctypes.c_uint(0), 0) < 0:
        time.sleep(_SETTLE_SECONDS)


class Program:
    """A loaded program, held by its file descriptor."""

    def __init__(
        self,
        name: str,
        program_type: ProgramType,
        instructions: bytes,
        license_name: str,
        attach_type: AttachType = AttachType.NONE,
        attach_btf_id: int = 0,
    ) -> None:
        """Loads and verifies; `instructions` have their map descriptors filled in.

        Tracing programs are verified for what they will be attached to: its kind and its number in the kernel's BTF.

        Raises ProgramRejectedError when the verifier objects, BpfError for the rest (EPERM: want of privilege).
        """
        code = ctypes.create_string_buffer(instructions, len(instructions))
        terms = ctypes.create_string_buffer(license_name.encode("ascii"))
        attributes = _ProgramLoad(
            prog_type=program_type,
            insn_cnt=len(instructions) // INSTRUCTION_BYTES,
            insns=ctypes.addressof(code),
            license=ctypes.addressof(terms),
            prog_name=name.encode("ascii"),
            expected_attach_type=attach_type,
            attach_btf_id=attach_btf_id,
        )
        try:
            self.fd = bpf_call(Command.PROG_LOAD, attributes)
        except BpfError as error:
            if error.errno in (errno.EPERM, errno.ENOMEM, errno.ENOSYS):
                raise
            raise ProgramRejectedError(error.errno or 0, _verifier_log(attributes)) from error

    def test_run(self, packet: bytes, context: bytes = b"") -> int:
        """Runs the program once on an Ethernet frame (14 bytes or more); returns what it returned.

        `context`: a `struct __sk_buff` of which the kernel takes some fields (gso_size, gso_segs, ifindex; see
        net/bpf/test_run.c). A socket filter sees the frame without its Ethernet header there. Raises BpfError.
        """
        data = ctypes.create_string_buffer(packet, len(packet))
        fields = ctypes.create_string_buffer(context, len(context)) if context else None
        attributes = _TestRun(
            prog_fd=self.fd,
            data_size_in=len(packet),
            data_in=ctypes.addressof(data),
            repeat=1,
            ctx_size_in=len(context),
            ctx_in=ctypes.addressof(fields) if fields else 0,
        )
        bpf_call(Command.PROG_TEST_RUN, attributes)
        return int(attributes.retval)

    def statistics(self) -> RunStatistics:
        """Runs so far. Raises BpfError."""
        info = ctypes.create_string_buffer(_PROGRAM_INFO_BYTES)
        attributes = _Info(bpf_fd=self.fd, info_len=len(info), info=ctypes.addressof(info))
        bpf_call(Command.OBJ_GET_INFO_BY_FD, attributes)
        program_id = struct.unpack_from("=I", info, 4)[0]
        return RunStatistics(program_id, *struct.unpack_from("=QQQ", info, 192))

    def close(self) -> None:
        """Frees the program unless it is attached somewhere."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _verifier_log(attributes: _ProgramLoad) -> str:
    """Loads again with a log, which costs much and is wanted only now."""
    log = ctypes.create_string_buffer(_VERIFIER_LOG_BYTES)
    attributes.log_level = 1
    attributes.log_size = len(log)
    attributes.log_buf = ctypes.addressof(log)
    with contextlib.suppress(BpfError):
        os.close(bpf_call(Command.PROG_LOAD, attributes))
    return log.value.decode("utf-8", "replace")
