"""The real collector in a process of its own, one snapshot for each line on stdin: `interval` starts this.

Prints a JSON line when it is ready (the baseline is taken), one for each snapshot, and one with its memory at the end.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from bench.stopwatch import Stopwatch
from netdash.collector import poller
from netdash.collector.accounting import AccountingTable
from netdash.collector.owners import OwnerTable
from netdash.collector.poller import Collector
from netdash.collector.processes import ProcessTable
from netdash.collector.sockets import SocketTable
from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.net_dev import NetDevReader
from netdash.kernel.process_files import SocketOwners
from netdash.kernel.sock_diag import SocketReader
from netdash.model.codec import encode_snapshot
from netdash.model.select import InterfaceSelection

ENCODE = "encode the snapshot"
REST = "the rest"

_STAGES = (
    (BpfPacketCounter, "switch", "switch and drain the flow tables"),
    (BpfPacketCounter, "drain", "switch and drain the flow tables"),
    (NetDevReader, "read", "interface and protocol counters"),
    (poller, "parse_net_dev", "interface and protocol counters"),
    (poller, "read_protocol_counters", "interface and protocol counters"),
    (poller, "join_directions", "join directions to flows"),
    (poller, "_only", "join directions to flows"),
    (SocketReader, "dump", "sockets: sock_diag dump"),
    (SocketOwners, "refresh", "sockets: owners from /proc"),
    (SocketOwners, "owners", "sockets: owners from /proc"),
    (SocketTable, "update", "sockets: differences"),
    (OwnerTable, "assign", "match flows with sockets"),
    (AccountingTable, "update", "accounting"),
    (ProcessTable, "update", "processes"),
    (poller, "interface_protocols", "protocols and sizes"),
)


class Measured(msgspec.Struct, frozen=True):
    """One interval."""

    flows: int
    sockets: int
    attributed: int
    """Flows with a process."""
    cpu_seconds: float
    wall_seconds: float
    message_bytes: int
    stages: dict[str, float]
    """CPU seconds; they sum up to `cpu_seconds`."""


class Memory(msgspec.Struct, frozen=True):
    """Of the collector's process."""

    peak_resident_bytes: int
    map_bytes: int
    """Kernel memory of its BPF maps."""


async def _run(max_flows: int) -> None:
    stopwatch = Stopwatch()
    for owner, name, stage in _STAGES:
        stopwatch.watch(owner, name, stage)
    collector = await Collector.open(InterfaceSelection(), max_flows)
    try:
        await collector.snapshot()
        _print({"ready": True})
        while await asyncio.to_thread(sys.stdin.readline):
            _print(await _measure(collector, stopwatch))
        _print(Memory(_peak_resident_bytes(), _map_bytes()))
    finally:
        await collector.close()


async def _measure(collector: Collector, stopwatch: Stopwatch) -> Measured:
    stopwatch.take()
    wall, cpu = time.perf_counter(), time.process_time()
    snapshot = await collector.snapshot()
    collected = time.process_time()
    message = encode_snapshot(snapshot)
    end = time.process_time()
    stages = stopwatch.take()
    stages[ENCODE] = end - collected
    stages[REST] = end - cpu - sum(stages.values())
    return Measured(
        flows=len(snapshot.flows),
        sockets=len(snapshot.sockets),
        attributed=int((snapshot.flows["pid"] > 0).sum()),
        cpu_seconds=end - cpu,
        wall_seconds=time.perf_counter() - wall,
        message_bytes=len(message),
        stages=stages,
    )


def _peak_resident_bytes() -> int:
    """VmHWM of /proc/self/status; getrusage's ru_maxrss is inherited from the process that started this one."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _map_bytes() -> int:
    """Sum of `memlock` in /proc/self/fdinfo (bpf_map_show_fdinfo in kernel/bpf/syscall.c)."""
    total = 0
    for path in Path("/proc/self/fdinfo").iterdir():
        try:
            text = path.read_text(encoding="ascii")
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("memlock:"))
    return total


def _print(line: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1])))
