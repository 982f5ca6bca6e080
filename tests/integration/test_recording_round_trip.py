"""What was live comes back from the recording: field by field, and line by line from the installed program."""

from __future__ import annotations

import asyncio
import io
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sized
from contextlib import ExitStack, closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from netdash.collector.poller import Collector
from netdash.collector.recorder import Recorder
from netdash.model.select import InterfaceSelection
from netdash.model.snapshot import Snapshot
from netdash.options import Options, View
from netdash.recording.reader import RecordingStore
from netdash.sinks.json_lines import JsonLinesSink
from tests.integration.counted_traffic import ethernet, raw_sender
from tests.namespaces import Lab, run_in, socket_in
from tests.unit.recording.equal import differing_fields

pytestmark = pytest.mark.root

_ARP = 0x0806
_STEPS = 8


def record(lab: Lab, path: Path, traffic: Callable[[int], None]) -> list[Snapshot]:
    """What the collector gave, interval by interval, while it recorded; the first is the baseline."""

    async def collect() -> list[Snapshot]:
        collector = await Collector.open(InterfaceSelection(), 4096)
        recorder = Recorder(Options(log_path=str(path)))
        recorder.start(1.0)
        snapshots = []
        try:
            for step in range(_STEPS):
                if step:
                    traffic(step)
                snapshots.append(await collector.snapshot())
                recorder.add(snapshots[-1], collector.device_counters())
        finally:
            status = await recorder.stop()
            await collector.close()
        assert status is not None
        assert status.failure is None
        return snapshots

    return run_in(lab.a.namespace, lambda: asyncio.run(collect()))


class Traffic:
    """A TCP connection that stays, one that comes and goes, UDP, ARP frames and a process of another program."""

    def __init__(self, lab: Lab, stack: ExitStack) -> None:
        self._lab = lab
        self._listener = stack.enter_context(socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_STREAM))
        self._listener.bind((lab.b.ipv4, 0))
        self._listener.listen()
        self._lasting = self._connect(stack)
        self._udp = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_DGRAM))
        self._frames = stack.enter_context(raw_sender(lab.b))

    def __call__(self, step: int) -> None:
        lab = self._lab
        self._move(*self._lasting, 20_000 * step)
        with ExitStack() as stack:
            self._move(*self._connect(stack), 1000)
        if step % 3:
            self._udp.sendto(bytes(100 * step), (lab.b.ipv6, 7000 + step % 2))
        for _ in range(step):
            self._frames.send(ethernet(lab.b, lab.a, _ARP, bytes(46)))
        if step % 4 == 0:
            send = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{lab.b.ipv4}', 9))"
            run_in(lab.a.namespace, lambda: subprocess.run([sys.executable, "-c", send], check=True, timeout=40))

    def _connect(self, stack: ExitStack) -> tuple[socket.socket, socket.socket]:
        client = stack.enter_context(socket_in(self._lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM))
        client.connect(self._listener.getsockname())
        return client, stack.enter_context(self._listener.accept()[0])

    def _move(self, client: socket.socket, server: socket.socket, size: int) -> None:
        sender = threading.Thread(target=client.sendall, args=(bytes(size),))
        sender.start()
        left = size
        while left:
            left -= len(server.recv(left))
        sender.join()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Snapshot]]:
    """A recording and what was recorded."""
    path = tmp_path_factory.mktemp("recording") / "a.netdash"
    with Lab() as lab, ExitStack() as stack:
        return path, record(lab, path, Traffic(lab, stack))


def test_the_run_had_something_of_everything(recorded: tuple[Path, list[Snapshot]]) -> None:
    """Or else nothing would be compared."""
    _, snapshots = recorded
    sized = [field.name for field in fields(Snapshot) if isinstance(getattr(snapshots[0], field.name), Sized)]
    assert [name for name in sized if not any(len(getattr(s, name)) for s in snapshots)] == []
    last = snapshots[-1]
    assert last.mode.processes == "exact"
    assert last.stations["rx_packets"].sum() > 0
    assert {process.exited for s in snapshots for process in s.processes} == {True, False}
    assert any(process.parents and process.command and process.user for process in last.processes)
    assert any(np.any(s.sockets["rtt_us"] > 0) for s in snapshots)
    assert len({len(s.flows) for s in snapshots}) > 1


def test_every_field_comes_back(recorded: tuple[Path, list[Snapshot]]) -> None:
    path, snapshots = recorded
    with closing(RecordingStore(str(path))) as store:
        read = [store.read(number) for number in store.timetable().numbers]
    assert [differing_fields(*pair) for pair in zip(snapshots, read, strict=True)] == [[]] * len(snapshots)


@pytest.mark.parametrize("view", [None, "sockets", "flows", "processes"])
def test_the_program_prints_the_same_lines(recorded: tuple[Path, list[Snapshot]], view: View | None) -> None:
    path, snapshots = recorded
    stream = io.StringIO()
    live = JsonLinesSink(stream, 1.0, view)
    live.start(snapshots[0])
    for snapshot in snapshots[1:]:
        live.write(snapshot)
    live.finish()
    arguments = ["-m", "netdash", "-r", str(path), "--json", *(["--view", view] if view else [])]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, timeout=40, check=True)
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == stream.getvalue().splitlines()
