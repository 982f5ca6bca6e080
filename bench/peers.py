"""netdash beside the programs that it replaces, under the same load: CPU, the kernel's share, what they missed."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import mean

from bench.generator import Sent
from bench.headless import NETDASH, Headless
from bench.processes import cpu_seconds
from bench.report import Section, Table, Verdict, count, percent, ratio, short
from bench.screen import Screen
from bench.setting import Setting
from netdash.errors import NetdashError

_FLOWS = 1_000
_FRAME_BYTES = 60
_IP_BYTES = _FRAME_BYTES - 14
_LOW_RATE, _HIGH_RATE = 100_000, 1_000_000
_REACHED = 0.95
"""A load that came so close to what was asked for counts as that."""
_COMPLETE = 0.95
"""Share of the packets from which on a program counts as having seen them."""
_SETTLE_SECONDS = 2.2
"""From a program's first drawing to the load: its start is not measured. And from the load to its last drawing."""

HEADLESS = "netdash --json"


@dataclass(frozen=True, slots=True)
class _Peer:
    """A program in a terminal."""

    name: str
    command: tuple[str, ...]
    packets_seen: Callable[[str], float | None]
    """Packets that its screen says it has counted; None when it does not say."""
    terminal: str = "linux"
    """One that repeats no character by a control sequence: pyte does not know that one."""


@dataclass(frozen=True, slots=True)
class _Result:
    """One program under one load. Shares are of one core."""

    name: str
    rate: float
    program_share: float
    kernel_ns: float
    """CPU time a packet on the generator's CPU, more than without any program."""
    seen: float | None
    """Share of the interface's packets; None: not known."""

    @property
    def kernel_share(self) -> float:
        return max(self.kernel_ns, 0.0) * self.rate / 1e9

    @property
    def whole(self) -> float:
        return self.program_share + self.kernel_share

    @property
    def whole_ns(self) -> float:
        """CPU time a packet; comparable where the loads reached different rates."""
        return self.whole / self.rate * 1e9


@dataclass(frozen=True, slots=True)
class _Load:
    """What was measured of one program."""

    sent: Sent
    program_seconds: float
    seen: float | None

    def beside(self, name: str, alone_ns: float) -> _Result:
        """With what a packet costs without any program."""
        kernel_ns = self.sent.cpu_ns_per_packet - alone_ns
        return _Result(name, self.sent.rate, self.program_seconds / self.sent.seconds, kernel_ns, self.seen)


def measure(setting: Setting) -> Section:
    """Every program that is installed, one after the other, at each rate."""
    section = Section("Peers")
    for rate in setting.pick((_LOW_RATE, _HIGH_RATE), (_HIGH_RATE,)):
        _at_rate(setting, section, rate)
    section.remarks += [
        f"{count(_FLOWS)} UDP flows of {_FRAME_BYTES}-byte frames; each program on a CPU of its own, the generator on "
        "another. Program: user and system time of all its processes. Kernel: what a packet costs more on the "
        "generator's CPU, where the taps run, than right before and after without a program; where that is less than "
        "the generator's own figures differ, it is not known, and a negative one counts as 0.",
        "Seen: share of the packets of the interface's counter that the program says it has counted, from its own "
        "screen (iftop shows three digits).",
        "nethogs finds no process for this traffic and iptraf-ng no TCP connection, so both do less than on real "
        "traffic; iptraf-ng -i draws a line for each UDP packet.",
    ]
    return section


def _at_rate(setting: Setting, section: Section, rate: int) -> None:
    runs: list[tuple[str, Callable[[], _Load]]] = [(HEADLESS, partial(_headless, setting, rate, "ebpf"))]
    if not setting.quick:
        runs.append((f"{HEADLESS}, without eBPF", partial(_headless, setting, rate, "ring")))
    for peer in _peers(setting):
        if shutil.which(peer.command[0]):
            runs.append((peer.name, partial(_in_terminal, setting, rate, peer)))
        else:
            section.remarks.append(f"{peer.name}: not installed.")
    results = []
    alone = [_alone(setting, rate)]
    for name, run in runs:
        try:
            load = run()
        except NetdashError as error:
            section.remarks.append(f"{name} at {count(rate)} packets/s: did not run: {error}")
            continue
        alone.append(_alone(setting, rate))
        results.append(load.beside(name, mean(alone[-2:])))
    section.tables.append(_table(rate, results, alone))
    section.verdicts.append(_verdict(rate, results))


def _alone(setting: Setting, rate: int) -> float:
    """Nanoseconds a packet of the generator by itself."""
    return setting.generator.start(_FLOWS, seconds=setting.pick(2.5, 1.0), rate=rate).wait().cpu_ns_per_packet


def _headless(setting: Setting, rate: int, layer: str) -> _Load:
    with Headless(setting.lab.b.namespace, setting.cpu, layer) as netdash:
        time.sleep(setting.pick(_SETTLE_SECONDS, 1.0))
        received, program_seconds, sent = _under_load(setting, rate, netdash.process)
        summary = netdash.stop()
    seen = summary.protocols[setting.lab.b.interface].ipv4.rx_packets
    return _Load(sent, program_seconds, seen / received)


def _in_terminal(setting: Setting, rate: int, peer: _Peer) -> _Load:
    terminal = {"TERM": peer.terminal}
    with Screen(peer.command, namespace=setting.lab.b.namespace, cpu=setting.cpu, environment=terminal) as screen:
        screen.await_drawing(0)
        settle_seconds = setting.pick(_SETTLE_SECONDS, 1.2)
        time.sleep(settle_seconds)
        received, program_seconds, sent = _under_load(setting, rate, screen.process)
        time.sleep(settle_seconds)
        screen.check_running()
        seen = peer.packets_seen(screen.text())
    return _Load(sent, program_seconds, None if seen is None else seen / received)


def _under_load(setting: Setting, rate: int, process: subprocess.Popen[bytes]) -> tuple[int, float, Sent]:
    """Packets of the interface's counter, CPU seconds of the program meanwhile, and the load."""
    received = setting.generator.received().packets
    before = cpu_seconds(process)
    sent = setting.generator.start(_FLOWS, seconds=setting.pick(6.0, 1.5), rate=rate).wait()
    after = cpu_seconds(process)
    used = sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
    return setting.generator.received().packets - received, used, sent


def _peers(setting: Setting) -> tuple[_Peer, ...]:
    interface = setting.lab.b.interface
    return (
        _Peer("netdash, dashboard", (*NETDASH, "-n"), _nothing, "xterm-256color"),
        _Peer("nethogs", ("nethogs", "-C", "-v", "1", interface), _nethogs_packets),
        _Peer("iftop", ("iftop", "-nNPp", "-i", interface), _iftop_packets),
        _Peer("iptraf-ng -d", ("iptraf-ng", "-d", interface), _iptraf_total),
        _Peer("iptraf-ng -i", ("iptraf-ng", "-i", interface), _iptraf_captured),
    )


def _nothing(screen: str) -> float | None:
    return None


def _nethogs_packets(screen: str) -> float | None:
    """Its sum of received KiB, of whole frames."""
    found = re.search(r"TOTAL\s+[\d.]+\s+([\d.]+) KB", screen)
    return float(found[1]) * 1024 / _FRAME_BYTES if found else None


def _iftop_packets(screen: str) -> float | None:
    """Its sum of received bytes, of IP packets; prefixes of 1024."""
    found = re.search(r"RX:\s+(?:cum:\s+)?([\d.]+)([KMG]?)B", screen)
    return float(found[1]) * 1024 ** " KMG".index(found[2] or " ") / _IP_BYTES if found else None


def _iptraf_total(screen: str) -> float | None:
    found = re.search(r"Total:\s+(\d+)", screen)
    return float(found[1]) if found else None


def _iptraf_captured(screen: str) -> float | None:
    found = re.search(r"Packets captured:\s+(\d+)", screen)
    return float(found[1]) if found else None


def _table(rate: int, results: list[_Result], alone: list[float]) -> Table:
    reference = results[0].whole_ns if results and results[0].name == HEADLESS else 0.0
    rows = [
        (
            r.name,
            count(r.rate),
            percent(r.program_share),
            f"{r.kernel_ns:.0f} ns",
            percent(r.kernel_share),
            percent(r.whole),
            f"{r.whole_ns:.0f} ns",
            ratio(r.whole_ns, reference),
            "-" if r.seen is None else percent(r.seen),
        )
        for r in results
    ]
    generator = f"{min(alone):.0f} to {max(alone):.0f} ns"
    title = f"{short(rate)} packets/s asked for; the generator by itself takes {generator} a packet"
    columns = (
        "program",
        "packets/s",
        "program CPU",
        "kernel a packet",
        "kernel CPU",
        "whole",
        "a packet",
        "ratio",
        "seen",
    )
    return Table(title, columns, rows)


def _verdict(rate: int, results: list[_Result]) -> Verdict:
    """Against the cheapest peer that saw the packets: half of it at the high rate, no more at the low one."""
    half = rate >= _HIGH_RATE
    what = f"CPU of program and kernel at {short(rate)} packets/s"
    budget = "<= half of the best peer that saw them" if half else "<= any peer that saw them"
    peers = [r for r in results if not r.name.startswith("netdash")]
    if not peers or results[0].name != HEADLESS:
        return Verdict(what, budget, "-", None, "netdash or every peer is missing")
    reference = results[0]
    # Who loses packets saves their cost: such a peer is no measure while another saw them.
    complete = [r for r in peers if r.seen is not None and r.seen >= _COMPLETE]
    best = min(complete or peers, key=lambda r: r.whole_ns)
    share = reference.whole_ns / best.whole_ns
    reason = (
        f"program {percent(reference.program_share)} and kernel {percent(reference.kernel_share)}, "
        f"{best.name} {percent(best.program_share)} and {percent(best.kernel_share)}"
    )
    holds: bool | None = share <= (0.5 if half else 1.0)
    if min(reference.rate, best.rate) < _REACHED * rate:
        holds = None
        reason += f"; but the loads reached only {count(reference.rate)}/s and {count(best.rate)}/s"
    return Verdict(what, budget, f"{share:.2f} of {best.name}", holds, reason)
