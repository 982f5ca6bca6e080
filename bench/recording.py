"""What a recording costs: room on the disk for a day, CPU of an interval, and the time to any moment of a day."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.made_up import BEGIN, INTERFACE, PROCESS
from bench.report import Section, Table, Verdict, count, milliseconds
from bench.setting import Setting
from netdash.model.snapshot import InterfaceProtocols, Mode, Process, SizeBucket, Snapshot, Traffic
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, Attribution
from netdash.recording.reader import RecordingStore
from netdash.recording.retention import Limits
from netdash.recording.run_facts import RunFacts
from netdash.recording.writer import RecordingWriter
from netdash.ui.past import Errand
from netdash.ui.timeline import Timeline

_FLOWS: Final = 2_000
_PROCESSES: Final = 100
_LOADS: Final = ((0.0, 0.0), (0.3, 0.0), (0.3, 0.005), (0.3, 0.02), (1.0, 0.005))
"""Share of the connections that are active in an interval; share of those that are new ones."""
_VERDICT_LOAD: Final = (0.3, 0.005)
_DAY_SECONDS: Final = 86_400
_ALLOWED_DAY_BYTES: Final = 10**9
_ALLOWED_SEEK_SECONDS: Final = 0.05
_SEEKS: Final = 200
_MAX_FLOWS: Final = 131_072
_FACTS: Final = RunFacts("bench", "", "UTC", 0, 1.0)
_FIRST_PID: Final = 1_000
_NO_LIMITS: Final = Limits(max_bytes=10**12)


@dataclass(frozen=True, slots=True)
class _Cost:
    name: str
    frame_bytes: float
    """Of an interval."""
    file_bytes: float
    """Of an interval: with the plain tables, indices and SQLite's own."""
    cpu_seconds: list[float]

    @property
    def day_bytes(self) -> float:
        return self.file_bytes * _DAY_SECONDS


def measure(setting: Setting) -> Section:
    """Writes what a busy host would have done, without a collector."""
    section = Section("Recording")
    intervals = setting.pick(1800, 180)
    with TemporaryDirectory(prefix="netdash-bench-") as folder:
        costs = {load: _write(Path(folder, str(load)), *load, intervals) for load in _LOADS}
        section.tables.append(_cost_table(list(costs.values())))
        hours = setting.pick(24, 2)
        _lengthen(Path(folder, str(_VERDICT_LOAD)), intervals, hours * 3600)
        section.tables.append(_seek(section, Path(folder, str(_VERDICT_LOAD)), hours))
    day, frames = costs[_VERDICT_LOAD].day_bytes, costs[_VERDICT_LOAD].frame_bytes * _DAY_SECONDS
    most = costs[0.3, 0.02].day_bytes
    section.verdicts.insert(
        0,
        Verdict(
            f"recording of a day, {count(_FLOWS)} flows, 30 % active",
            "<= 1 GB",
            f"{day / 1e9:.2f} GB",
            day <= _ALLOWED_DAY_BYTES,
            f"frames {frames / 1e9:.2f} GB, the rest plain tables; {_FLOWS * _VERDICT_LOAD[1]:.0f} new connections a "
            f"second ({most / 1e9:.2f} GB with 40)",
        ),
    )
    section.remarks.append(
        "Every interval has new random figures for each active flow and its socket, which is the worst for any "
        "compression. Sockets are kept in every interval as long as they take little room, else up to every 30th."
    )
    return section


def _write(path: Path, active: float, churn: float, intervals: int) -> _Cost:
    writer = RecordingWriter(str(path), _FACTS, _NO_LIMITS)
    cpu = []
    # From a full minute on, so that whole minutes are measured.
    for snapshot in _snapshots(active, churn, intervals):
        before = time.thread_time()
        writer.append(snapshot)
        cpu.append(time.thread_time() - before)
    writer.finish()
    writer.close()
    with closing(sqlite3.connect(path)) as connection:
        frames = connection.execute("SELECT sum(bytes) FROM moment").fetchone()[0]
    size = os.stat(path).st_size
    name = f"{active:.0%} active, {_FLOWS * churn:.0f} new a second".replace("%", " %")
    return _Cost(name, frames / intervals, size / intervals, cpu)


def _cost_table(costs: list[_Cost]) -> Table:
    return Table(
        f"{count(_FLOWS)} connections, {_PROCESSES} processes, one interval a second",
        ("load", "frame, mean", "with plain tables", "a day", "CPU, median", "CPU, mean", "CPU, worst"),
        [
            (
                cost.name,
                f"{cost.frame_bytes / 1e3:.1f} kB",
                f"{cost.file_bytes / 1e3:.1f} kB",
                f"{cost.day_bytes / 1e9:.2f} GB",
                milliseconds(median(cost.cpu_seconds)),
                milliseconds(sum(cost.cpu_seconds) / len(cost.cpu_seconds)),
                milliseconds(max(cost.cpu_seconds)),
            )
            for cost in costs
        ],
    )


def _lengthen(path: Path, have: int, wanted: int) -> None:
    """Repeats the frames until the file is so long; key frames stand alone, so copies of whole groups can be read."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for copy in range(1, wanted // have):
            shift = copy * have
            connection.execute("BEGIN")
            connection.execute(
                "INSERT INTO moment SELECT id + ?1, run, key + ?1, time + ?1, monotonic_ns + ?1 * 1000000000, "
                "interval, rx_bytes, tx_bytes, bytes, last_flow FROM moment WHERE id <= ?2",
                (shift, have),
            )
            connection.execute("INSERT INTO frame SELECT id + ?, data, sockets FROM frame WHERE id <= ?", (shift, have))
            connection.execute("COMMIT")


def _seek(section: Section, path: Path, hours: int) -> Table:
    begin = time.perf_counter()
    store = RecordingStore(str(path))
    table = store.timetable()
    opening = time.perf_counter() - begin
    chance, seconds = random.Random(1), []
    numbers = [chance.choice(table.numbers) for _ in range(_SEEKS)]
    # The last of a key frame's group needs all of it.
    last_ones = [table.first + 59 + 60 * chance.randrange(len(table) // 60 - 1) for _ in range(_SEEKS // 4)]
    for number in (*numbers, *last_ones):
        begin = time.perf_counter()
        store.read(number)
        seconds.append(time.perf_counter() - begin)
    steps = []
    for number in range(table.first, table.first + 300):
        begin = time.perf_counter()
        store.read(number)
        steps.append(time.perf_counter() - begin)
    looks = []
    for number in numbers:
        timeline = Timeline(store, _MAX_FLOWS)
        timeline.look()
        begin = time.perf_counter()
        timeline.first_look(Errand(number))
        looks.append(time.perf_counter() - begin)
    store.close()
    typical, worst = median(seconds[: len(numbers)]), median(seconds[len(numbers) :])
    section.verdicts.append(
        Verdict(
            f"any moment of a recording of {hours} h",
            "<= 50 ms",
            milliseconds(worst),
            worst <= _ALLOWED_SEEK_SECONDS,
            f"median of the moments that need most frames; of any moment {milliseconds(typical)}",
        )
    )
    return Table(
        f"A recording of {hours} h, {os.stat(path).st_size / 1e9:.2f} GB, 30 % active",
        ("what", "median", "worst"),
        [
            ("open it and list its moments", milliseconds(opening), milliseconds(opening)),
            ("read any moment", milliseconds(typical), milliseconds(max(seconds[: len(numbers)]))),
            ("read the last moment of a key frame's group", milliseconds(worst), milliseconds(max(seconds))),
            ("read the next moment", milliseconds(median(steps)), milliseconds(max(steps))),
            ("any moment ready to be drawn by the dashboard", milliseconds(median(looks)), milliseconds(max(looks))),
        ],
    )


def _snapshots(active: float, churn: float, intervals: int) -> Iterator[Snapshot]:
    chance = np.random.default_rng(1)
    flows, sockets = np.zeros(_FLOWS, FLOW_ROW), np.zeros(_FLOWS, SOCKET_ROW)
    _connect(chance, flows, sockets, np.arange(_FLOWS))
    # The kernel's two tables are emptied in turn, each in an order of its own.
    orders = (np.arange(_FLOWS), chance.permutation(_FLOWS))
    for number in range(intervals):
        _connect(chance, flows, sockets, chance.choice(_FLOWS, round(_FLOWS * churn), replace=False))
        moving = chance.random(_FLOWS) < active
        _move(chance, flows, sockets, moving)
        order = orders[number % 2]
        yield _snapshot(chance, number, flows[order][moving[order]], sockets.copy())


def _connect(
    chance: np.random.Generator, flows: NDArray[np.void], sockets: NDArray[np.void], rows: NDArray[np.intp]
) -> None:
    """New connections in place of those at `rows`."""
    size = len(rows)
    flows["id"][rows] = chance.integers(0, 2**63, size)
    flows["ifindex"][rows], flows["ethertype"][rows], flows["protocol"][rows] = 2, 0x0800, 6
    flows["pid"][rows] = chance.integers(_FIRST_PID, _FIRST_PID + _PROCESSES, size)
    flows["local_port"][rows] = chance.integers(32_768, 60_999, size)
    flows["remote_port"][rows] = 443
    flows["attribution"][rows], flows["state"][rows] = Attribution.EXACT, 1
    address = np.zeros((size, 16), np.uint8)
    address[:, 10:12], address[:, 12], address[:, 15] = 255, 10, 1
    flows["local"][rows] = address
    address[:, 12:] = chance.integers(1, 255, (size, 4))
    flows["remote"][rows] = address
    flows["retransmits"][rows] = 0
    for name in ("pid", "local_port", "remote_port", "protocol", "state", "local", "remote"):
        sockets[name][rows] = flows[name][rows]
    sockets["cookie"][rows] = chance.integers(1, 2**40, size)
    sockets["inode"][rows] = chance.integers(1, 2**24, size)
    sockets["family"][rows], sockets["has_info"][rows], sockets["cwnd"][rows], sockets["mss"][rows] = 4, 1, 10, 1448
    sockets["rtt_us"][rows] = sockets["min_rtt_us"][rows] = chance.integers(500, 50_000, size)
    sockets["rttvar_us"][rows] = chance.integers(100, 5_000, size)
    for name in ("rx_payload_total", "tx_payload_total"):
        sockets[name][rows] = 0


def _move(
    chance: np.random.Generator, flows: NDArray[np.void], sockets: NDArray[np.void], moving: NDArray[np.bool_]
) -> None:
    """One interval of traffic: log-normal amounts, packets of 1448 bytes and pure acknowledgements."""
    size = int(moving.sum())
    for way in ("rx", "tx"):
        payload = np.exp(chance.normal(7, 2, size)).astype(np.int64)
        packets = payload // 1448 + 1 + chance.integers(0, 4, size)
        flows[f"{way}_payload"][moving], flows[f"{way}_packets"][moving] = payload, packets
        flows[f"{way}_bytes"][moving] = payload + 66 * packets
        sockets[f"{way}_payload"] = 0
        sockets[f"{way}_payload"][moving] = payload
        sockets[f"{way}_payload_total"][moving] += payload.astype(np.uint64)
    # What the kernel tells is smoothed (srtt, RFC 6298): it wanders.
    rtt = (sockets["rtt_us"][moving] * (0.97 + 0.06 * chance.random(size))).astype(np.uint32)
    sockets["rtt_us"][moving] = flows["rtt_us"][moving] = rtt
    sockets["rttvar_us"][moving] = (sockets["rttvar_us"][moving] * (0.9 + 0.2 * chance.random(size))).astype(np.uint32)
    sockets["delivery_rate_bytes"][moving] = chance.integers(1_000, 10**7, size)


def _snapshot(chance: np.random.Generator, number: int, flows: NDArray[np.void], sockets: NDArray[np.void]) -> Snapshot:
    received, sent = int(flows["rx_bytes"].sum()), int(flows["tx_bytes"].sum())
    traffic = Traffic(int(flows["rx_packets"].sum()), received, int(flows["tx_packets"].sum()), sent)
    sizes = tuple(SizeBucket(75 * n + 1, 75 * n + 75, int(chance.integers(0, 99)), 7) for n in range(20))
    by_pid = np.bincount(flows["pid"] - _FIRST_PID, flows["rx_bytes"], _PROCESSES).astype(np.int64)
    return Snapshot(
        time=BEGIN + number + 0.5,
        monotonic_ns=number * 10**9,
        interval=1.0,
        host="bench",
        mode=Mode("ebpf", "exact"),
        interfaces=(replace(INTERFACE, rx_bytes=received, tx_bytes=sent, rx_packets=traffic.rx_packets),),
        processes=tuple(_process(number, int(received)) for number, received in enumerate(by_pid)),
        flows=flows,
        sockets=sockets,
        protocols={"eth0": InterfaceProtocols(ipv4=traffic, tcp=traffic, sizes=sizes)},
        counters={f"Tcp.Counter{n}": int(chance.integers(0, 1000)) if n < 20 else 0 for n in range(90)},
        gauges={f"sockstat.Gauge{n}": 100 + n for n in range(20)},
    )


def _process(number: int, received: int) -> Process:
    return replace(
        PROCESS,
        pid=_FIRST_PID + number,
        start_ticks=number,
        name=f"worker-{number}",
        command=f"/usr/bin/worker --number {number}",
        rx_bytes=received,
        tx_bytes=received // 2,
        rx_packets=received // 900,
        rx_payload=received // 3,
    )
