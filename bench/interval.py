"""What one interval costs the collector, by the number of flows, and where the time goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import msgspec

from bench import socket_worker
from bench.collector_worker import REST, Measured, Memory
from bench.headless import Headless
from bench.lines import LineProcess
from bench.processes import cpu_seconds
from bench.report import Section, Table, Verdict, count, mebibytes, milliseconds, percent, ratio, short
from bench.setting import Setting

_MOST_FLOWS = 1_000_000
_FLOW_COUNTS = (100, 10_000, 100_000, _MOST_FLOWS)
_ALLOWED_SECONDS = {100_000: 0.3, _MOST_FLOWS: 1.0}
_ALLOWED_WITH_SOCKETS_SECONDS = 0.015
_ALLOWED_BYTES = 10**9
_DEFAULT_TABLE, _LARGE_TABLE = 1 << 17, 1 << 20
_LISTED_STAGES = 3


@dataclass(frozen=True, slots=True)
class _Run:
    """Several intervals under one load; the first, which meets cold code, is left out."""

    name: str
    intervals: list[Measured]
    memory: Memory

    @property
    def cpu_seconds(self) -> float:
        return median(m.cpu_seconds for m in self.intervals)

    def stages(self) -> dict[str, float]:
        """Median CPU seconds of each stage."""
        names = {name: None for m in self.intervals for name in m.stages}
        return {name: median(m.stages.get(name, 0.0) for m in self.intervals) for name in names}

    def hot_spots(self) -> str:
        """The longest stages with their shares."""
        stages = sorted(self.stages().items(), key=lambda item: -item[1])
        longest = [item for item in stages if item[0] != REST][:_LISTED_STAGES]
        return ", ".join(f"{name} {percent(seconds / self.cpu_seconds)}" for name, seconds in longest)


def measure(setting: Setting) -> Section:
    """CPU and memory of the real collector; its traffic is sent before each interval, so that nothing else runs."""
    section = Section("Interval")
    with_sockets = _with_sockets(setting)
    counts = setting.pick(_FLOW_COUNTS, _FLOW_COUNTS[:-1])
    by_flows = {flows: _with_flows(setting, flows) for flows in counts}
    runs = [*by_flows.values(), with_sockets]
    section.tables += [_totals(runs), _by_stage(runs), _live(setting)]
    section.verdicts.append(
        _verdict(f"CPU of the collector an interval, {with_sockets.name}", with_sockets, _ALLOWED_WITH_SOCKETS_SECONDS)
    )
    for flows, allowed in _ALLOWED_SECONDS.items():
        if flows in by_flows:
            what = f"CPU of the collector an interval, {short(flows)} flows"
            section.verdicts.append(_verdict(what, by_flows[flows], allowed))
    if _MOST_FLOWS in by_flows:
        section.verdicts.append(_memory_verdict(by_flows[_MOST_FLOWS].memory))
    else:
        section.remarks.append(f"{short(_MOST_FLOWS)} flows: not measured in a quick run.")
    return section


def _memory_verdict(memory: Memory) -> Verdict:
    total = memory.peak_resident_bytes + memory.map_bytes
    return Verdict(
        f"memory of the collector, {short(_MOST_FLOWS)} flows",
        "<= 1 GB",
        f"{total / 1e9:.2f} GB",
        total <= _ALLOWED_BYTES,
        f"{mebibytes(memory.peak_resident_bytes)} peak resident, {mebibytes(memory.map_bytes)} of BPF maps",
    )


def _verdict(what: str, run: _Run, allowed_seconds: float) -> Verdict:
    return Verdict(
        what,
        f"<= {allowed_seconds * 1e3:.0f} ms",
        milliseconds(run.cpu_seconds),
        run.cpu_seconds <= allowed_seconds,
        f"mostly {run.hot_spots()}",
    )


def _with_flows(setting: Setting, flows: int) -> _Run:
    def send() -> None:
        setting.generator.start(flows, packets=flows).wait()

    large = flows > _DEFAULT_TABLE
    repetitions = 5 if large else setting.pick(10, 4)
    with _worker(setting, _LARGE_TABLE if large else _DEFAULT_TABLE) as worker:
        return _repeat(worker, f"{short(flows)} flows", send, repetitions)


def _with_sockets(setting: Setting) -> _Run:
    a, b = setting.lab.a, setting.lab.b
    with ExitStack() as stack:
        listening = stack.enter_context(
            LineProcess("bench.socket_worker", "listen", b.ipv4, namespace=b.namespace, cpu=setting.cpu)
        )
        for _ in range(socket_worker.PROCESSES):
            listening.read()
        connected = stack.enter_context(
            LineProcess("bench.socket_worker", "connect", b.ipv4, namespace=a.namespace, cpu=setting.generator.cpu)
        )
        connected.read()
        worker = stack.enter_context(_worker(setting, _DEFAULT_TABLE))
        name = f"{count(socket_worker.FLOWS)} flows, {count(socket_worker.TOTAL)} sockets"
        return _repeat(worker, name, connected.order, setting.pick(20, 6))


def _worker(setting: Setting, max_flows: int) -> LineProcess:
    return LineProcess("bench.collector_worker", str(max_flows), namespace=setting.lab.b.namespace, cpu=setting.cpu)


def _repeat(worker: LineProcess, name: str, send: Callable[[], object], repetitions: int) -> _Run:
    worker.read()
    intervals = []
    for _ in range(repetitions):
        send()
        intervals.append(msgspec.json.decode(worker.order(), type=Measured))
    return _Run(name, intervals[1:], msgspec.json.decode(worker.finish(), type=Memory))


def _totals(runs: list[_Run]) -> Table:
    rows = [
        (
            run.name,
            count(median(m.flows for m in run.intervals)),
            count(median(m.sockets for m in run.intervals)),
            count(median(m.attributed for m in run.intervals)),
            milliseconds(run.cpu_seconds),
            milliseconds(max(m.cpu_seconds for m in run.intervals)),
            milliseconds(median(m.wall_seconds for m in run.intervals)),
            f"{run.cpu_seconds / max(run.intervals[0].flows, 1) * 1e6:.2f} us",
            f"{median(m.message_bytes for m in run.intervals) / 1e6:.2f} MB",
            mebibytes(run.memory.peak_resident_bytes),
            mebibytes(run.memory.map_bytes),
        )
        for run in runs
    ]
    columns = ("load", "flows", "sockets", "with a process", "CPU, median", "CPU, worst", "wall, median")
    return Table(
        "The collector, an interval: snapshot and encoding",
        (*columns, "CPU a flow", "message", "peak resident", "BPF maps"),
        rows,
    )


def _by_stage(runs: list[_Run]) -> Table:
    columns = [run.stages() for run in runs]
    longest = max(runs, key=lambda run: run.cpu_seconds).stages()
    names = sorted(longest, key=lambda name: -longest[name])
    rows = [(name, *(milliseconds(column.get(name, 0.0)) for column in columns)) for name in names]
    rows.append(("all", *(milliseconds(run.cpu_seconds) for run in runs)))
    return Table("CPU by stage, median interval", ("stage", *(run.name for run in runs)), rows)


def _live(setting: Setting) -> Table:
    """The processes of `netdash --json` under a steady load; one interval is a second."""
    rows = []
    loads = ((1_000, 100_000), (100_000, 200_000))
    for flows, rate in setting.pick(loads, loads[:1]):
        seconds = setting.pick(6, 3)
        with Headless(setting.lab.b.namespace, setting.cpu) as netdash:
            load = setting.generator.start(flows, seconds=seconds + 1, rate=rate)
            before = cpu_seconds(netdash.process)
            sent = load.wait()
            after = cpu_seconds(netdash.process)
        used = {pid: (after[pid] - before.get(pid, 0.0)) / sent.seconds for pid in after}
        output = used.pop(netdash.process.pid)
        collector = sum(used.values())
        rows.append(
            (
                f"{short(flows)} flows, {count(sent.rate)} packets/s",
                milliseconds(collector),
                milliseconds(output),
                ratio(output, collector),
            )
        )
    return Table(
        "netdash --json under a steady load: CPU a second",
        ("load", "collector", "JSON output", "output : collector"),
        rows,
    )
