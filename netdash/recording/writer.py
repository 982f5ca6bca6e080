"""Writes a recording: one transaction an interval."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from netdash import __version__
from netdash.model.headline import headline_interfaces
from netdash.model.snapshot import Snapshot
from netdash.recording.database import RecordingError, open_for_writing, reason, shown
from netdash.recording.frames import FrameReader, FrameWriter, current_layout
from netdash.recording.layout import SPARE, parse_layout
from netdash.recording.minute_sums import SECONDS_A_MINUTE, MinuteSums
from netdash.recording.plain_tables import PlainTables
from netdash.recording.planes import DamagedError
from netdash.recording.retention import Limits, Retention
from netdash.recording.run_facts import RunFacts

_MAX_RECOVERED: Final = 7200
"""Intervals after the last whole minute that are added to the plain tables when a crashed recording goes on."""


@dataclass(frozen=True, slots=True)
class InterfaceTotal:
    """At the end of a run, of one interface: the kernel's counters beside what was recorded."""

    interface: str
    kernel_rx_bytes: int
    kernel_tx_bytes: int
    recorded_rx_bytes: int
    recorded_tx_bytes: int
    counted_bytes: int | None


class RecordingWriter:
    """One run in a file. Every method may raise RecordingError; what was committed before stays readable."""

    def __init__(self, path: str, facts: RunFacts, limits: Limits | None = None) -> None:
        """Makes the file, or goes on with it."""
        self.path = path
        self._facts = facts
        self._file = open_for_writing(path)
        self._connection = self._file.connection
        self._frames = FrameWriter()
        self._plain = PlainTables(self._connection)
        self._retention = Retention(self._connection, limits or Limits())
        self._minute: MinuteSums | None = None
        self._run: int | None = None
        self._key = 0
        self._clock: tuple[float, int] | None = None
        try:
            with self._told():
                self._recover()
                last = self._connection.execute("SELECT max(id) FROM moment").fetchone()[0]
        except RecordingError:
            self._file.close()
            raise
        self._next = int(last or 0) + 1

    @property
    def size_bytes(self) -> int:
        """Of the file and its log, on the disk."""
        size = 0
        for path in (self.path, f"{self.path}-wal"):
            try:
                size += os.stat(path).st_size
            except OSError:
                continue
        return size

    def append(self, snapshot: Snapshot) -> None:
        """Records one interval, on the disk when this returns."""
        with self._told(), self._transaction():
            if self._run is None:
                self._run = self._begin_run(snapshot)
            if self._minute is not None and not self._minute.holds(snapshot.time):
                self._write_minute(self._next - 1)
            self._minute = self._minute or MinuteSums.of(snapshot.time)
            self._minute.add(snapshot)
            self._insert(snapshot)
            if snapshot.interval >= SECONDS_A_MINUTE:
                self._write_minute(self._next)
            if self._retention.enforce(self._true_time(snapshot)):
                self._plain.forget()
        self._next += 1
        with self._told():
            self._retention.shrink()

    def finish(self, totals: Sequence[InterfaceTotal] = (), closing: str = "") -> None:
        """Writes the minute under way and the totals. `closing`: the line that the user is told."""
        if self._run is None:
            return
        with self._told(), self._transaction():
            self._write_minute(self._next - 1)
            self._plain.finish()
            self._connection.executemany(
                "INSERT OR REPLACE INTO run_interface VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        self._run,
                        total.interface,
                        total.kernel_rx_bytes,
                        total.kernel_tx_bytes,
                        total.recorded_rx_bytes,
                        total.recorded_tx_bytes,
                        total.counted_bytes,
                    )
                    for total in totals
                ],
            )
            self._connection.execute(
                "UPDATE run SET ended = (SELECT time FROM moment WHERE id = ?), closing = ? WHERE id = ?",
                (self._next - 1, closing, self._run),
            )

    def close(self) -> None:
        """Leaves one file without a log beside it, where the disk allows."""
        with self._told():
            try:
                # Also when somebody reads: who copies the file alone then has all of it.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._file.close()

    def _begin_run(self, snapshot: Snapshot) -> int:
        facts, layout = self._facts, json.dumps(current_layout())
        cursor = self._connection.execute(
            "INSERT INTO run (host, boot_id, time_zone, utc_offset, netdash, interval, interfaces, flows_layer, "
            "processes_layer, layout, started, summed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                facts.host,
                facts.boot_id,
                facts.time_zone,
                facts.utc_offset_seconds,
                __version__,
                facts.interval_seconds,
                facts.interfaces,
                snapshot.mode.flows,
                snapshot.mode.processes,
                layout,
                snapshot.time,
                self._next - 1,
            ),
        )
        assert cursor.lastrowid is not None
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"{SPARE}{cursor.lastrowid}", layout))
        return cursor.lastrowid

    def _insert(self, snapshot: Snapshot) -> None:
        frame = self._frames.encode(snapshot)
        if frame.is_key:
            self._key = self._next
        last_flow = self._last_flow() if frame.is_key else None
        headline = headline_interfaces(snapshot.interfaces)
        received = [i.rx_bytes for i in headline if i.rx_bytes is not None]
        sent = [i.tx_bytes for i in headline if i.tx_bytes is not None]
        self._connection.execute(
            "INSERT INTO moment (id, run, key, time, monotonic_ns, interval, rx_bytes, tx_bytes, bytes, last_flow) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._next,
                self._run,
                self._key,
                snapshot.time,
                snapshot.monotonic_ns,
                snapshot.interval,
                sum(received) if received else None,
                sum(sent) if sent else None,
                len(frame.data) + len(frame.sockets or b""),
                last_flow,
            ),
        )
        self._connection.execute("INSERT INTO frame VALUES (?, ?, ?)", (self._next, frame.data, frame.sockets))

    def _last_flow(self) -> int:
        return int(self._connection.execute("SELECT ifnull(max(id), 0) FROM flow").fetchone()[0])

    def _write_minute(self, last: int) -> None:
        """`last`: the last moment that is in the sums."""
        if self._minute is not None:
            self._plain.write(self._minute)
            self._minute = None
        self._connection.execute("UPDATE run SET summed = ? WHERE id = ?", (last, self._run))

    def _recover(self) -> None:
        """After a crash: the intervals since the last whole minute go into the plain tables."""
        row = self._connection.execute("SELECT id, summed, layout FROM run ORDER BY id DESC LIMIT 1").fetchone()
        if row is None:
            return
        run, summed, layout = int(row[0]), int(row[1]), str(row[2])
        key = self._connection.execute("SELECT key FROM moment WHERE id > ? ORDER BY id LIMIT 1", (summed,)).fetchone()
        if key is None:
            return
        frames = self._connection.execute(
            "SELECT id, data, sockets FROM frame WHERE id >= ? ORDER BY id LIMIT ?", (key[0], _MAX_RECOVERED)
        ).fetchall()
        with self._transaction():
            self._run, last = run, summed
            try:
                reader = FrameReader(parse_layout(layout))
                for last, data, sockets in frames:
                    reader.apply(data, sockets)
                    if last > summed:
                        self._add_recovered(reader.snapshot())
            except DamagedError:
                last = summed  # what is damaged is told by whoever reads it
            self._write_minute(last)
            self._run = None

    def _add_recovered(self, snapshot: Snapshot) -> None:
        if self._minute is not None and not self._minute.holds(snapshot.time):
            self._plain.write(self._minute)
            self._minute = None
        self._minute = self._minute or MinuteSums.of(snapshot.time)
        self._minute.add(snapshot)

    def _true_time(self, snapshot: Snapshot) -> float:
        """The time that ages are measured against: a clock that jumps forward must not delete everything."""
        if self._clock is None:
            self._clock = (snapshot.time, snapshot.monotonic_ns)
        start, monotonic_ns = self._clock
        return min(snapshot.time, start + (snapshot.monotonic_ns - monotonic_ns) / 1e9)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeError) as error:
            raise RecordingError(f"cannot record to {shown(self.path)}: {reason(error)}") from error
