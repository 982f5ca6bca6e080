"""Does counting lose packets, and what does it cost each packet."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.generator import Sent
from bench.headless import Headless
from bench.report import Section, Table, Verdict, count, percent, ratio, short
from bench.setting import Setting
from netdash.kernel.bpf import Program, ProgramType
from netdash.kernel.bpf_counter import SO_ATTACH_BPF, BpfPacketCounter
from tests.namespaces import run_in

_OFFERED_RATE = 1_000_000
_REACHED = 0.95
"""A load that came so close to what was asked for counts as that."""
_ALLOWED_NS = 200
_STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")
_EMPTY_FILTER = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
"""`r0 = 0; exit`: what the kernel's own measuring costs, and the call."""
_ETH_P_ALL = 0x0003


def measure(setting: Setting) -> Section:
    """Exactness at a million packets a second; nanoseconds a packet, by the kernel's statistics and by the sender."""
    section = Section("Counting")
    _exactness(setting, section)
    _program_time(setting, section)
    _sender_time(setting, section)
    return section


def _exactness(setting: Setting, section: Section) -> None:
    rows = []
    for layer in ("ebpf", "ring"):
        for flows in (100, 10_000):
            sent, packets, size, counted, counted_bytes, lost = _counted(setting, layer, flows)
            rows.append(
                (
                    f"{layer}, {short(flows)} flows",
                    count(sent.rate),
                    count(packets),
                    count(counted),
                    count(packets - counted),
                    count(lost),
                    count(size - counted_bytes),
                )
            )
            if layer == "ebpf":
                reached = sent.rate >= _REACHED * _OFFERED_RATE
                exact = packets == counted and size == counted_bytes
                section.verdicts.append(
                    Verdict(
                        f"packets lost at 1 M packets/s, {short(flows)} flows, eBPF",
                        "0, counts equal to the interface's",
                        f"{count(packets - counted)} of {count(packets)} at {count(sent.rate)}/s",
                        exact if reached or not exact else None,
                        "" if reached else f"the generator reached {count(sent.rate)}/s here",
                    )
                )
    section.tables.append(
        Table(
            "60-byte frames, 1 M packets/s asked for, netdash --json and generator on a CPU each",
            (
                "layer",
                "offered/s",
                "interface counter",
                "counted",
                "missing",
                "told as lost",
                "missing bytes",
            ),
            rows,
        )
    )


def _counted(setting: Setting, layer: str, flows: int) -> tuple[Sent, int, int, int, int, int]:
    """What was sent; packets and bytes by the interface, the same by netdash, and what it says it lost."""
    interface = setting.lab.b.interface
    with Headless(setting.lab.b.namespace, setting.cpu, layer) as netdash:
        before = setting.generator.received()
        seconds = setting.pick(5, 1)
        sent = setting.generator.start(flows, seconds=seconds, rate=_OFFERED_RATE).wait()
        after = setting.generator.received()
        summary = netdash.stop()
    return (
        sent,
        after.packets - before.packets,
        after.bytes - before.bytes,
        summary.protocols[interface].ipv4.rx_packets,
        summary.accounting[interface].counted_bytes,
        summary.health.lost_packets,
    )


def _program_time(setting: Setting, section: Section) -> None:
    if not _STATISTICS.exists():
        section.remarks.append(f"Time inside the program: not measured, this kernel has no {_STATISTICS}.")
        return
    rows = []
    for flows in setting.pick((100, 10_000, 100_000, 1_000_000), (100, 10_000, 100_000)):
        with _statistics_on():
            found = run_in(setting.lab.b.namespace, partial(_run_in_loop, setting, flows))
        rows.append(
            (
                f"{short(flows)} flows",
                f"{found.counting_ns:.0f} ns",
                f"{found.empty_ns:.0f} ns",
                f"{found.counting_ns - found.empty_ns:.0f} ns",
                count(found.sent.rate),
                count(found.largest_table),
            )
        )
    section.tables.append(
        Table(
            "Time of the eBPF program for a packet, kernel statistics, tables emptied once a second",
            ("flows in turn", "program", "empty filter", "difference", "packets/s", "largest table"),
            rows,
        )
    )


@dataclass(frozen=True, slots=True)
class _ProgramTime:
    counting_ns: float
    """Mean time of a run of the counting program."""
    empty_ns: float
    """The same of an empty one."""
    largest_table: int
    """Rows of the fullest flow table that was drained."""
    sent: Sent


def _run_in_loop(setting: Setting, flows: int) -> _ProgramTime:
    return asyncio.run(_run_times(setting, flows))


async def _run_times(setting: Setting, flows: int) -> _ProgramTime:
    """To be run in the receiving namespace, with the kernel's statistics on."""
    empty = Program("empty", ProgramType.SOCKET_FILTER, _EMPTY_FILTER, "GPL")
    counter = BpfPacketCounter.open(1 << 20)
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as tap:
            tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, struct.pack("=i", empty.fd))
            tap.bind((setting.lab.b.interface, _ETH_P_ALL))
            load = setting.generator.start(flows, seconds=setting.pick(3.2, 1.2))
            waiting = asyncio.create_task(asyncio.to_thread(load.wait))
            largest = 0
            while not (await asyncio.wait([waiting], timeout=1))[0]:
                counter.switch()
                largest = max(largest, len((await counter.drain()).keys))
            counting, nothing = (
                statistics.run_time_ns / max(statistics.run_count, 1)
                for statistics in (counter.run_statistics(), empty.statistics())
            )
            return _ProgramTime(counting, nothing, largest, waiting.result())
    finally:
        counter.close()
        empty.close()


@contextmanager
def _statistics_on() -> Iterator[None]:
    before = _STATISTICS.read_text(encoding="ascii")
    _STATISTICS.write_text("1", encoding="ascii")
    try:
        yield
    finally:
        _STATISTICS.write_text(before, encoding="ascii")


def _sender_time(setting: Setting, section: Section) -> None:
    rows = []
    for flows in (100, 10_000):
        without, with_netdash = _sent_in_turns(setting, flows)
        alone_ns, together_ns = (median(s.cpu_ns_per_packet for s in loads) for loads in (without, with_netdash))
        alone, together = (median(s.rate for s in loads) for loads in (without, with_netdash))
        rows.append(
            (
                f"{short(flows)} flows",
                count(alone),
                count(together),
                ratio(together, alone),
                f"{alone_ns:.0f} ns",
                f"{together_ns:.0f} ns",
                f"{together_ns - alone_ns:.0f} ns",
            )
        )
        added = together_ns - alone_ns
        section.verdicts.append(
            Verdict(
                f"added CPU time for a packet, {short(flows)} flows",
                f"<= {_ALLOWED_NS} ns",
                f"{added:.0f} ns",
                added <= _ALLOWED_NS,
                f"a packet without netdash costs {alone_ns:.0f} ns on this machine, {percent(added / alone_ns)} on top",
            )
        )
    section.tables.append(
        Table(
            "The sender at full speed, without and with netdash --json on the other CPU (medians, in turns)",
            ("flows in turn", "packets/s alone", "with netdash", "ratio", "CPU alone", "CPU with", "added"),
            rows,
        )
    )


def _sent_in_turns(setting: Setting, flows: int) -> tuple[list[Sent], list[Sent]]:
    """Loads at full speed, without and with netdash."""
    seconds, rounds = setting.pick(1.2, 0.5), setting.pick(4, 2)
    without, with_netdash = [], []
    for _ in range(rounds):
        without.append(setting.generator.start(flows, seconds=seconds).wait())
        with Headless(setting.lab.b.namespace, setting.cpu):
            with_netdash.append(setting.generator.start(flows, seconds=seconds).wait())
    return without, with_netdash
