"""The loop of the collector, in this process and on this host's interfaces."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from netdash.collector.loop import collect
from netdash.collector.poller import Collector
from netdash.errors import NetdashError
from netdash.model.recording_status import RecordingStatus
from netdash.model.snapshot import Snapshot
from netdash.options import Options


async def test_a_recording_has_its_end_also_where_the_counting_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, taken, take = tmp_path / "a.netdash", list[Snapshot](), Collector.snapshot

    async def fail_at_the_fourth(collector: Collector) -> Snapshot:
        if len(taken) == 3:
            raise NetdashError("the kernel lost the answer")
        taken.append(await take(collector))
        return taken[-1]

    monkeypatch.setattr(Collector, "snapshot", fail_at_the_fourth)
    told: list[RecordingStatus] = []
    reader, writer = socket.socketpair()
    with reader, writer, pytest.raises(NetdashError, match="lost the answer"):
        await collect(Options(delay_seconds=0.1, log_path=str(path)), writer, on_close=told.append)
    (status,) = told
    assert not status.active
    assert status.closing is not None
    assert "recorded 2 intervals" in status.closing
    with closing(sqlite3.connect(path)) as connection:
        ((ended, last_line),) = connection.execute("SELECT ended, closing FROM run")
    assert ended is not None
    assert "the kernel's counters say" in last_line
