"""Tracing programs and cgroup hooks loaded and attached: what `socket_traffic`, `socket_hooks`, `task_sockets` and
`exec_trace` have in common.

File descriptors hold it all: programs, maps and links are gone when the process that opened them is, also by SIGKILL.
Loading wants CAP_BPF and CAP_PERFMON, and CAP_NET_ADMIN for cgroup hooks; what is open can then be read without any
(Linux 5.19).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from netdash.errors import NetdashError, NotSupportedError, RefusedError
from netdash.kernel.bpf import (
    BpfError,
    Command,
    Program,
    ProgramRejectedError,
    RunStatistics,
    bpf_call,
)
from netdash.kernel.bpf_map import BpfMap
from netdash.kernel.btf import Btf
from netdash.kernel.capabilities import effective_capabilities
from netdash.kernel.programs.tracing import TracingArtefact, TracingProgram

TRACING_CAPABILITIES: Final = ("CAP_BPF", "CAP_PERFMON")

_INITIAL_NAMESPACES = {"pid": 0xEFFFFFFC, "time": 0xEFFFFFFA}
"""PROC_PID_INIT_INO, PROC_TIME_INIT_INO of include/linux/proc_ns.h: programs give pids and start times of these."""


class _RawTracepoint(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint64), ("prog_fd", ctypes.c_uint32))


class _LinkCreate(ctypes.Structure):
    _fields_ = (
        ("prog_fd", ctypes.c_uint32),
        ("target_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class _IteratorCreate(ctypes.Structure):
    _fields_ = (("link_fd", ctypes.c_uint32), ("flags", ctypes.c_uint32))


@dataclass(frozen=True, slots=True)
class TracingObject:
    """The maps, programs and links of one artefact. `maps`, `links` (file descriptors) and `programs` by name."""

    maps: Mapping[str, BpfMap]
    programs: Mapping[str, Program]
    links: Mapping[str, int]
    _resources: contextlib.ExitStack

    @classmethod
    def open(
        cls,
        name: str,
        *,
        purpose: str,
        needs: str,
        btf: Btf | None = None,
        max_entries: Mapping[str, int] | None = None,
        cgroup: int = 0,
        capabilities: tuple[str, ...] = TRACING_CAPABILITIES,
    ) -> Self:
        """Loads the artefact `name` and attaches all its programs; from then on tracepoints and hooks run.

        `purpose` begins the message of every error, `needs` tells which kernel has it all, `btf` saves reading it
        again. `max_entries`: sizes of maps other than the artefact's. `cgroup`: descriptor of the directory that
        cgroup hooks are attached to. `capabilities`: what loading takes.
        Raises NotPermittedError, NotSupportedError, NetdashError (no memory); then nothing stays behind.
        """
        artefact = TracingArtefact.load(name)
        sizes = max_entries or {}
        maps, programs, links = {}, {}, {}
        with explained(purpose):
            _require_initial_namespaces()
            types = btf or Btf.of_kernel() if any(item.needs_btf for item in artefact.programs) else None
        with contextlib.ExitStack() as opened, explained(purpose, needs, capabilities):
            for map_name, definition in artefact.maps.items():
                resized = replace(definition, max_entries=sizes.get(map_name, definition.max_entries))
                maps[map_name] = BpfMap(map_name, resized)
                opened.callback(maps[map_name].close)
            descriptors = {map_name: item.fd for map_name, item in maps.items()}
            for item in artefact.programs:
                programs[item.code.name] = _load(item, types, descriptors, artefact.license)
                opened.callback(programs[item.code.name].close)
            for item in artefact.programs:
                links[item.code.name] = _attach(item, programs[item.code.name], cgroup)
                opened.callback(os.close, links[item.code.name])
            return cls(maps, programs, links, opened.pop_all())

    def run_statistics(self) -> dict[str, RunStatistics]:
        """Runs so far of each program, by its name. Raises BpfError."""
        return {name: program.statistics() for name, program in self.programs.items()}

    def close(self) -> None:
        """Detaches and frees everything. A second call does nothing."""
        self._resources.close()


def create_iterator(link_fd: int) -> int:
    """A file descriptor from which one run of an iterator is read (BPF_ITER_CREATE). Raises BpfError."""
    return bpf_call(Command.ITER_CREATE, _IteratorCreate(link_fd=link_fd))


@contextlib.contextmanager
def explained(purpose: str, needs: str = "", capabilities: tuple[str, ...] = TRACING_CAPABILITIES) -> Iterator[None]:
    """Turns failures of bpf(2) and of BTF look-ups into errors that name the cause and the remedy."""
    remedy = f"; needs {needs}" if needs else ""
    try:
        yield
    except NotSupportedError as error:
        raise NotSupportedError(f"{purpose}: {error}{remedy}") from error
    except ProgramRejectedError as error:
        if not _holds(capabilities):  # the verifier does not know what is not allowed
            raise RefusedError(purpose, "EPERM on BPF_PROG_LOAD", _missing_privilege(capabilities)) from error
        raise NotSupportedError(
            f"{purpose}: this kernel's verifier refused the program ({error.strerror}){remedy}"
        ) from error
    except BpfError as error:
        code = errno.errorcode.get(error.errno or 0, str(error.errno))
        cause = f"{code} on BPF_{error.command.name}"
        where = f"{purpose} refused ({cause})"
        if error.errno in (errno.EPERM, errno.EACCES):
            raise RefusedError(purpose, cause, _missing_privilege(capabilities)) from error
        if error.errno == errno.ENOMEM:
            raise NetdashError(f"{where}: not enough kernel memory; allow fewer sockets") from error
        raise NotSupportedError(f"{where}: needs CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS{remedy}") from error


def _holds(capabilities: tuple[str, ...]) -> bool:
    held = effective_capabilities()
    # CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
    return held.issuperset(
        capabilities if "CAP_SYS_ADMIN" not in held else set(capabilities).difference(TRACING_CAPABILITIES)
    )


def _missing_privilege(capabilities: tuple[str, ...]) -> str:
    if _holds(capabilities):
        return (
            "the capabilities are there, but a security policy or a user namespace forbids it; run as root on the host"
        )
    return f"needs {', '.join(capabilities[:-1])} and {capabilities[-1]}; run as root"


def _require_initial_namespaces() -> None:
    for name, initial in _INITIAL_NAMESPACES.items():
        try:
            inode = os.stat(f"/proc/self/ns/{name}").st_ino
        except FileNotFoundError:  # a kernel without such namespaces
            continue
        except OSError as error:
            raise NotSupportedError(f"/proc/self/ns/{name}: {error.strerror}; mount /proc") from error
        if inode != initial:
            raise NotSupportedError(
                f"netdash runs in a {name} namespace of its own, where processes have other numbers than in the "
                "kernel's; run it on the host (in a container: --pid=host)"
            )


def _load(item: TracingProgram, btf: Btf | None, map_descriptors: Mapping[str, int], license_name: str) -> Program:
    attach_btf_id, code = 0, item.code.link(map_descriptors)
    if btf is not None and item.needs_btf:
        attach_btf_id = item.attach_type_id(btf)  # the most likely to be missing, so the first to be told
        code = item.link(btf, map_descriptors)
    return Program(item.code.name, item.program_type, code, license_name, item.attach_type, attach_btf_id)


def _attach(item: TracingProgram, program: Program, cgroup: int) -> int:
    if item.needs_btf and not item.is_iterator:
        return bpf_call(Command.RAW_TRACEPOINT_OPEN, _RawTracepoint(prog_fd=program.fd))
    target = 0 if item.is_iterator else cgroup
    return bpf_call(
        Command.LINK_CREATE, _LinkCreate(prog_fd=program.fd, target_fd=target, attach_type=item.attach_type)
    )
