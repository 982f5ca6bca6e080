"""Writes a recording in a child that is killed, again and again, and looks whether anything is missing.

python -m tests.unit.recording.kill_rounds FILE ROUNDS
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import closing
from typing import NoReturn

from netdash.recording.reader import RecordingStore
from netdash.recording.writer import RecordingWriter
from tests.unit.recording.equal import differing_fields
from tests.unit.recording.test_recording import FACTS, HOUR_BEGIN, quick_writer, snapshot

_CHECKPOINT_PAGES = 12
"""SQLite moves its log into the file after so many pages: often, so that kills strike it there too."""


def main(path: str, rounds: int) -> None:
    """Raises AssertionError where something is missing."""
    chance, number, append_seconds = random.Random(5), 0, 0.0
    for _ in range(rounds):
        delay = chance.uniform(0.0, 1.5 * append_seconds)
        told, append_seconds = _write_and_be_killed(path, number, chance.randrange(1, 6), delay)
        with closing(RecordingStore(path)) as store:
            table = store.timetable()
            assert [round(time - HOUR_BEGIN) for time in table.times] == list(range(len(table)))
            assert len(table) >= number + told, f"{number + told} intervals were written, {len(table)} are there"
            for each in {table.first, table.last, chance.choice(table.numbers)}:
                assert not differing_fields(store.read(each), snapshot(each - 1))
            number = len(table)
    with closing(RecordingWriter(path, FACTS)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        seconds = connection.execute("SELECT sum(seconds) FROM interface_minute WHERE interface = 'eth0'").fetchone()
    assert seconds == (float(number),), f"sums of {seconds} s of {number} intervals"


def _write_and_be_killed(path: str, number: int, count: int, delay: float) -> tuple[int, float]:
    """Writes intervals from `number` on; killed `delay` seconds after `count` were written.

    Returns how many it said were written, and how long one took.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _write(path, number, writing)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        told = len(pipe.read(1))
        begin = time.perf_counter()
        while told < count:
            told += len(pipe.read(1))
        took = (time.perf_counter() - begin) / max(1, told - 1)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        told += len(pipe.readall())
    os.waitpid(pid, 0)
    return told, took


def _write(path: str, number: int, told: int) -> NoReturn:
    """Runs after run of ten intervals, so that beginnings and ends are struck too."""
    while True:
        writer = quick_writer(path)
        writer._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        for _ in range(10):
            writer.append(snapshot(number))
            number += 1
            os.write(told, b"+")
        writer.finish()
        writer.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
