"""What works on this machine for this user: each layer is really opened and closed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netdash.collector.exact import ExactLayer
from netdash.collector.hooks import HooksLayer
from netdash.errors import NetdashError, NotPermittedError
from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.namespaces import current_namespace_inode
from netdash.kernel.process_files import SocketOwners
from netdash.kernel.ring_counter import RingPacketCounter
from netdash.kernel.sock_diag import SocketReader

_SMALL_TABLE: Final = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One layer of one kind of figure."""

    kind: str
    """What it is for: `flows`, `processes` or `sockets`."""
    layer: str
    gives: str
    works: bool
    reason: str
    """Why it does not work, with the remedy; what to know of it otherwise; may be empty."""


def diagnose() -> list[Finding]:
    """All layers, the best of each kind first."""
    return [
        _tried("flows", "ebpf", "every packet, counted in the kernel", _open_ebpf),
        _tried("flows", "ring", "every packet, counted from a ring", _open_ring),
        _tried("flows", "sockets", "payload of TCP connections by their own counters", _open_sockets),
        _tried("processes", "exact", "every byte of every process, also short-lived ones", _open_exact),
        _tried("processes", "hooks", "bytes of every socket and who made it, also short-lived ones", _open_hooks),
        _tried("processes", "scan", "owners of sockets that live for an interval", _scan),
        _tried("processes", "own", "owners of sockets of your own processes", lambda: ""),
    ]


def _tried(kind: str, layer: str, gives: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(kind, layer, gives, True, attempt())
    except NetdashError as error:
        return Finding(kind, layer, gives, False, str(error))


def _open_ebpf() -> str:
    BpfPacketCounter.open(_SMALL_TABLE).close()
    return ""


def _open_ring() -> str:
    ring = RingPacketCounter.open(_SMALL_TABLE)
    ring.close()
    return "; ".join(ring.notes)


def _open_sockets() -> str:
    reader = SocketReader()
    try:
        reader.open()
        reader.dump()
    finally:
        reader.close()
    return ""


def _open_exact() -> str:
    notes: list[str] = []
    ExactLayer.open(current_namespace_inode(), notes).close()
    return "; ".join(notes)


def _open_hooks() -> str:
    notes: list[str] = []
    HooksLayer.open(current_namespace_inode(), notes).close()
    return "; ".join(notes)


def _scan() -> str:
    if not SocketOwners().readable_all:
        raise NotPermittedError(
            "other users' /proc/PID/fd cannot be read: needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; run with sudo"
        )
    return ""
