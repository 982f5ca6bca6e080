"""Hours of made-up traffic as snapshots, and what each minute of it sums to, added up without any SQL."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from netdash.model.protocols import TCP, UDP
from netdash.model.snapshot import Interface, Process, Snapshot
from netdash.recording.retention import Limits
from netdash.recording.run_facts import RunFacts
from netdash.recording.writer import RecordingWriter
from tests.unit.sinks.builders import ETH0, IPERF, TIME, example, flow, socket_row

FACTS: Final = RunFacts("vm", "boot", "UTC", 0, 20.0)
MIDNIGHT: Final = TIME - TIME % 86_400
HOUR: Final = 3600
LISTENING_PORT: Final = 22

WAYS: Final = ("rx", "tx")

Cells = dict[tuple[object, ...], dict[str, int | None]]
"""Minute and key: sums; None = a part is not known."""


@dataclass(frozen=True, slots=True)
class Minutes:
    """What `snapshots` sum to."""

    seconds: dict[int, float]
    interface_seconds: dict[tuple[int, str], float]
    cells: dict[str, Cells]
    """By dimension, as netdash.recording.dimensions names it."""


def snapshots(hours: float, start: float = MIDNIGHT, seed: int = 1, step: float = 20.0) -> Iterator[Snapshot]:
    """Intervals of `step` seconds. eth0 is the headline; docker0 has connections of its own, and is gone at times."""
    chance = random.Random(seed)
    for number in range(round(hours * HOUR / step)):
        time = start + (number + 1) * step
        flows = [_flow(chance, index) for index in range(chance.randrange(1, 6)) for _ in range(2)]
        yield example(
            time=time,
            monotonic_ns=round((time - MIDNIGHT) * 1e9) + 10**15,
            interval=step,
            interfaces=(
                _interface(chance, "eth0", 4, "physical"),
                *([_interface(chance, "docker0", 5, "bridge")] if number % 100 < 85 else []),
            ),
            processes=tuple(_process(chance, pid) for pid in chance.sample(range(100, 112), 4)),
            flows=np.concatenate(flows),
            sockets=socket_row(
                state=10, protocol=TCP, local_port=LISTENING_PORT, remote_port=0, remote="::", local="::"
            ),
        )


def many_hosts() -> list[Snapshot]:
    """An hour with 120 remote hosts, three a minute, the later ones busier, and the begin of the next one."""
    every = [range(1 + 3 * minute, 4 + 3 * minute) for minute in range(40)] + [range(1, 2)] * 30
    return [
        example(
            time=MIDNIGHT + 60 * number + 30,
            monotonic_ns=number * 10**9,
            flows=np.concatenate(
                [
                    flow(
                        id=host,
                        remote=f"198.51.100.{host}",
                        rx_bytes=1000 * host if number < 40 else 0,
                        tx_bytes=0,
                        tx_payload=0,
                    )
                    for host in hosts
                ]
            ),
        )
        for number, hosts in enumerate(every)
    ]


def record(path: Path, written: Iterable[Snapshot], limits: Limits | None = None, finish: bool = True) -> None:
    """One run."""
    writer = RecordingWriter(str(path), FACTS, limits)
    try:
        for each in written:
            writer.append(each)
        if finish:
            writer.finish()
    finally:
        writer.close()


def minutes(written: Iterable[Snapshot]) -> Minutes:
    """Added up one by one."""
    seconds: dict[int, float] = defaultdict(float)
    interface_seconds: dict[tuple[int, str], float] = defaultdict(float)
    cells: dict[str, Cells] = {name: {} for name in ("interface", "program", "user", "remote", "port")}
    for snapshot in written:
        minute = int(snapshot.time // 60 * 60)
        seconds[minute] += snapshot.interval
        for interface in snapshot.interfaces:
            interface_seconds[minute, interface.name] += snapshot.interval
            _add(cells["interface"], (minute, interface.name), _figures(interface))
        for process in snapshot.processes:
            program = (minute, process.name, process.user, process.unit or "", process.container or "")
            _add(cells["program"], program, _figures(process))
            _add(cells["user"], (minute, process.user), _figures(process))
        for row in snapshot.flows:
            if row["ifindex"] != 4:
                continue
            remote = ".".join(str(part) for part in row["remote"][12:])
            served = row["local_port"] == LISTENING_PORT
            port = int(row["local_port"] if served else row["remote_port"])
            protocol = {TCP: "tcp", UDP: "udp"}[int(row["protocol"])]
            figures = {name: _known(int(row[name])) for name in _VOLUMES}
            _add(cells["remote"], (minute, remote), figures)
            _add(cells["port"], (minute, protocol, port, "in" if served else "out"), figures)
    return Minutes(dict(seconds), dict(interface_seconds), cells)


_VOLUMES: Final = ("rx_bytes", "tx_bytes", "rx_payload", "tx_payload")
_INTERFACE_FIGURES: Final = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_multicast")


def _figures(thing: Interface | Process) -> dict[str, int | None]:
    names = _VOLUMES if isinstance(thing, Process) else _INTERFACE_FIGURES
    return {name: getattr(thing, name) for name in names}


def _known(value: int) -> int | None:
    return None if value < 0 else value


def _add(cells: Cells, key: tuple[object, ...], figures: dict[str, int | None]) -> None:
    sums = cells.setdefault(key, dict.fromkeys(figures, 0))
    for name, value in figures.items():
        before = sums[name]
        sums[name] = None if before is None or value is None else before + value


def _interface(chance: random.Random, name: str, index: int, kind: str) -> Interface:
    received, sent = chance.randrange(10**9), chance.randrange(10**8)
    return replace(
        ETH0,
        name=name,
        index=index,
        kind=kind,
        rx_bytes=received,
        tx_bytes=sent,
        rx_packets=received // 1000,
        tx_packets=sent // 100,
        rx_errors=chance.randrange(3),
        rx_multicast=received % 500,
        speed_bps=None if kind == "bridge" else 10**9,
    )


def _process(chance: random.Random, pid: int) -> Process:
    """Two processes of each name; of postgres the payload is known alone, of chrony not even that at all times."""
    name = ("nginx", "postgres", "chrony", "curl", "rsync", "backup")[pid % 6]
    received, sent = chance.randrange(10**7), chance.randrange(10**6)
    wire = name not in ("postgres", "chrony")
    return replace(
        IPERF,
        pid=pid,
        start_ticks=pid,
        name=name,
        command=f"/usr/sbin/{name} -n {pid}",
        user=("www", "postgres", "chrony", "root", "root", "root")[pid % 6],
        unit=f"{name}.service" if pid % 6 < 3 else None,
        container="web" if name == "nginx" else None,
        rx_bytes=received + 500 if wire else None,
        tx_bytes=sent + 500 if wire else None,
        rx_payload=None if name == "chrony" and chance.random() < 0.5 else received,
        tx_payload=sent,
    )


def _flow(chance: random.Random, number: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Of connection `number`, on one of the two interfaces."""
    served = number % 3 == 0
    payload = chance.randrange(10**6)
    return flow(
        id=chance.randrange(1, 2**62),
        ifindex=chance.choice((4, 5)),
        pid=100 + number,
        protocol=UDP if number == 4 else TCP,
        local_port=LISTENING_PORT if served else 40_000 + number,
        remote_port=50_000 + number if served else (443, 53)[number % 2],
        remote=f"203.0.113.{chance.randrange(1, 30)}",
        rx_bytes=payload + 66,
        tx_bytes=660,
        rx_packets=payload // 1448 + 1,
        tx_packets=10,
        rx_payload=payload,
        tx_payload=0,
    )
