"""Whose bytes are they: each layer beside nethogs on the same processes, and what the counting costs.

`python -m bench.attribution` prints this section alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from bench.headless import NETDASH
from bench.lines import LineProcess
from bench.many_processes import Shape
from bench.processes import await_file_line, cpu_seconds, end, spawn
from bench.report import Section, Table, count, milliseconds, percent
from bench.setting import Setting, machine_lines, open_setting
from bench.slowdown import measure_slowdown
from netdash.collector.process import REFUSE_VARIABLE
from netdash.errors import NetdashError
from netdash.kernel.socket_traffic import SocketTraffic
from tests.integration.scenarios.common import Moved, Place
from tests.integration.scenarios.programs import NAMES
from tests.integration.scenarios.serving import Server
from tests.integration.scenarios.watching import Result, place_in, run_scenarios
from tests.namespaces import run_in

_LAYERS: Final = {
    "exact": "",
    "hooks": "exact",
    "scan of /proc": "exact,hooks",
    "sockets alone": "ebpf,ring,exact,hooks",
}
"""What is refused so that the layer is used."""
_SHAPES: Final = (Shape(300, 3, 2, 0), Shape(50, 10, 10, 1980))
_NETHOGS: Final = ("nethogs", "-t", "-C", "-v", "2", "-d", "1")
"""Totals in bytes of every process, each second."""
_NETHOGS_LINE: Final = re.compile(r"/(\d+)/\d+\t([\d.e+]+)\t([\d.e+]+)$")
_AFTERWARDS_SECONDS: Final = 2.5
"""Until each program has told what it saw last."""
_STATISTICS: Final = Path("/proc/sys/kernel/bpf_stats_enabled")
_CALLS: Final = 50_000
_NEW_SOCKETS: Final = 2000

Told = Mapping[int, tuple[str | None, int, int]]
"""Pid -> name where it is told, bytes sent, bytes received."""


class _Process(msgspec.Struct):
    pid: int
    name: str
    rx_bytes: int | None
    tx_bytes: int | None
    rx_payload: int | None
    tx_payload: int | None


class _Summary(msgspec.Struct):
    mode: dict[str, str]
    processes: list[_Process]


@dataclass(frozen=True, slots=True)
class _Run:
    """One program beside all scenarios."""

    results: Mapping[str, Result]
    told: Told
    cpu_seconds: float
    wall_seconds: float

    def share(self, name: str) -> float | None:
        """Of a scenario's payload, what is told of the process that moved it; None where the scenario did not run.

        Programs that count whole packets are not given more than the process moved.
        """
        moved = self.results[name].moved
        total = sum(one.sent + one.received for one in moved)
        return sum(map(self._given, moved)) / total if total else None

    def _given(self, one: Moved) -> int:
        name, sent, received = self.told.get(one.pid, (None, 0, 0))
        if name is not None and name != one.process_name:
            return 0
        return min(sent, one.sent) + min(received, one.received)


def measure(setting: Setting) -> Section:
    """Shares of payload, CPU of the whole program, nanoseconds a call, CPU an interval."""
    section = Section("Attribution")
    with place_in(setting.lab) as (place, servers):
        _shares(setting, place, section)
        _live(setting, servers[0], section)
    section.tables.append(measure_slowdown(setting, {name: _LAYERS[name] for name in ("exact", "hooks")}))
    _call_time(setting, section)
    return section


def _shares(setting: Setting, place: Place, section: Section) -> None:
    runs = {f"netdash, {name}": _netdash(setting, place, refuse) for name, refuse in _LAYERS.items()}
    if shutil.which(_NETHOGS[0]):
        runs["nethogs"] = _nethogs(setting, place)
    else:
        section.remarks.append("nethogs: not installed.")
    rows = []
    for name in NAMES:
        result = next(iter(runs.values())).results[name]
        if result.moved:
            shares = [run.share(name) for run in runs.values()]
            rows.append((name, str(len(result.moved)), *("-" if s is None else _share_text(s) for s in shares)))
        else:
            section.remarks.append(f"{name}: not measured: {result.skipped or result.failed}.")
    rows.append(("CPU of the program", "", *(f"{run.cpu_seconds:.2f} s" for run in runs.values())))
    rows.append(("beside it, wall", "", *(f"{run.wall_seconds:.1f} s" for run in runs.values())))
    section.tables.append(
        Table("Payload bytes given to the right process", ("scenario", "processes", *runs), rows),
    )
    section.remarks.append(
        "Each program runs beside all scenarios once, one after the other; all but the first three scenarios take "
        "milliseconds a process, less than the second between two looks. A layer that does not know payload is given "
        "the bytes of whole packets, but never more than was moved; CPU includes starting up."
    )


def _share_text(share: float) -> str:
    """Only what is whole reads 100."""
    return "100 %" if share == 1 else percent(min(share, 0.999))


def _netdash(setting: Setting, place: Place, refuse: str) -> _Run:
    def told(text: str) -> Told:
        summary = msgspec.json.decode(text.splitlines()[-1], type=_Summary)
        return {
            p.pid: (p.name, _known(p.tx_payload, p.tx_bytes), _known(p.rx_payload, p.rx_bytes))
            for p in summary.processes
        }

    return _beside(setting, place, [*NETDASH, "--json"], {REFUSE_VARIABLE: refuse}, told)


def _known(payload: int | None, wire: int | None) -> int:
    return next((figure for figure in (payload, wire) if figure is not None), 0)


def _nethogs(setting: Setting, place: Place) -> _Run:
    def told(text: str) -> Told:
        last: dict[int, tuple[str | None, int, int]] = {}
        for line in text.splitlines():
            if found := _NETHOGS_LINE.search(line):
                last[int(found[1])] = (None, int(float(found[2])), int(float(found[3])))
        return last

    return _beside(setting, place, [*_NETHOGS, setting.lab.a.interface, "lo"], {}, told)


def _beside(
    setting: Setting,
    place: Place,
    command: Sequence[str],
    environment: Mapping[str, str],
    told: Callable[[str], Told],
) -> _Run:
    """Runs all scenarios beside a program that writes to a file and is interrupted as by Ctrl+C."""
    with TemporaryDirectory() as directory:
        output = Path(directory, "output")
        with output.open("wb") as file:
            process = spawn(
                command, cpu=None, namespace=setting.lab.a.namespace, stdout=file, stderr=file, environment=environment
            )
        started = time.monotonic()
        try:
            await_file_line(output, process)
            results = run_scenarios(setting.lab.a.namespace, place, NAMES)
            time.sleep(_AFTERWARDS_SECONDS)
            used = sum(cpu_seconds(process).values())
            wall_seconds = time.monotonic() - started
        finally:
            end(process, signal.SIGINT)
        try:
            return _Run(results, told(output.read_text(errors="replace")), used, wall_seconds)
        except (msgspec.DecodeError, IndexError) as error:
            raise NetdashError(f"{' '.join(command)}: its output is not as the bench knows it: {error}") from error


def _live(setting: Setting, server: Server, section: Section) -> None:
    """CPU a second of `netdash --json`, one interval being a second, with many processes that send in it."""
    lab, seconds = setting.lab, setting.pick(6, 3)
    for shape in _SHAPES:
        arguments = (lab.b.ipv4, str(server.port), *map(str, shape))
        rows = []
        with LineProcess(
            "bench.many_processes", *arguments, namespace=lab.a.namespace, cpu=setting.generator.cpu
        ) as load:
            load.read()
            for name, refuse in _LAYERS.items():
                used = _cpu_of_intervals(setting, load, refuse, seconds)
                rows.append((name, *(milliseconds(part) for part in used)))
        sending = shape.processes * (shape.streams + shape.datagram_sockets)
        load_name = f"{count(shape.processes)} processes, {count(shape.sockets)} sockets of which {count(sending)} send"
        title = f"netdash --json, {load_name}: CPU an interval"
        section.tables.append(Table(title, ("layer", "collector", "JSON output"), rows))


def _cpu_of_intervals(setting: Setting, load: LineProcess, refuse: str, seconds: int) -> tuple[float, float]:
    """CPU seconds an interval of the collector and of the process that writes."""
    with TemporaryDirectory() as directory:
        output = Path(directory, "output")
        with output.open("wb") as file:
            process = spawn(
                [*NETDASH, "--json"],
                cpu=setting.cpu,
                namespace=setting.lab.a.namespace,
                stdout=file,
                environment={REFUSE_VARIABLE: refuse},
            )
        try:
            await_file_line(output, process)
            # The first interval meets cold code and reads all there is of every process.
            load.order()
            time.sleep(1.5)
            before = cpu_seconds(process)
            for _ in range(seconds):
                load.order()
                time.sleep(1)
            after = cpu_seconds(process)
        finally:
            end(process, signal.SIGINT)
    used = {pid: (after[pid] - before.get(pid, 0.0)) / seconds for pid in after}
    output_seconds = used.pop(process.pid, 0.0)
    return sum(used.values()), output_seconds


def _call_time(setting: Setting, section: Section) -> None:
    """Nanoseconds in the eBPF programs for a send and a receive, by the kernel's own statistics."""
    loads: dict[str, Callable[[], None]] = {
        "UDP, one socket": _datagrams_of_one_socket,
        "TCP, one connection": _pieces_of_one_stream,
        "UDP, each from a new socket": _datagrams_of_new_sockets,
    }
    before = _STATISTICS.read_text(encoding="ascii")
    _STATISTICS.write_text("1", encoding="ascii")
    try:
        rows = [(name, *run_in(setting.lab.a.namespace, partial(_ns_a_call, load))) for name, load in loads.items()]
    finally:
        _STATISTICS.write_text(before, encoding="ascii")
    section.tables.append(Table("Time in the eBPF programs of the exact layer", ("load", "a send", "a receive"), rows))
    section.remarks.append("Some 20 ns of each call are the kernel's own measuring (kernel.bpf_stats_enabled).")


def _ns_a_call(load: Callable[[], None]) -> tuple[str, str]:
    traffic = SocketTraffic.open()
    try:
        load()
        statistics = traffic.run_statistics()
    finally:
        traffic.close()
    return (
        f"{statistics['count_send'].run_time_ns / max(statistics['count_send'].run_count, 1):.0f} ns",
        f"{statistics['count_receive'].run_time_ns / max(statistics['count_receive'].run_count, 1):.0f} ns",
    )


def _datagrams_of_one_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        for _ in range(_CALLS):
            sender.send(b"x")
            receiver.recv(10)


def _pieces_of_one_stream() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
        listener.accept()[0] as receiver,
    ):
        for _ in range(_CALLS):
            sender.send(b"x")
            receiver.recv(10)


def _datagrams_of_new_sockets() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        for _ in range(_NEW_SOCKETS):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", receiver.getsockname())
            receiver.recv(10)


def main() -> int:
    """Prints the section as Markdown; returns the exit code."""
    if os.geteuid() != 0:
        print("bench: needs root, for network namespaces and eBPF; run as root", file=sys.stderr)
        return 1
    try:
        with open_setting(quick=False) as setting:
            print("\n".join((*machine_lines(), "", *measure(setting).lines())))
    except (NetdashError, OSError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
