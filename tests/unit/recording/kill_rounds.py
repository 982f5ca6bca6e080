"""Writes a recording in a child that is killed, again and again, and looks whether anything is missing.

python -m tests.unit.recording.kill_rounds FILE ROUNDS
"""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import closing

from netdash.recording.reader import RecordingStore
from netdash.recording.writer import RecordingWriter
from tests.unit.recording.equal import differing_fields
from tests.unit.recording.test_recording import FACTS, HOUR_BEGIN, snapshot


def main(path: str, rounds: int) -> None:
    """Raises AssertionError where something is missing."""
    chance, number = random.Random(5), 0
    for _ in range(rounds):
        told = _write_and_be_killed(path, number, chance.randrange(4000))
        with closing(RecordingStore(path)) as store:
            table = store.timetable()
            assert [round(time - HOUR_BEGIN) for time in table.times] == list(range(len(table)))
            assert len(table) >= told, f"{told} intervals were written, {len(table)} are there"
            for each in {table.first, table.last, chance.choice(table.numbers)}:
                assert not differing_fields(store.read(each), snapshot(each - 1))
            number = len(table)


def _write_and_be_killed(path: str, number: int, length: int) -> int:
    """Writes from `number` on; killed after `length` bytes of what it tells. The intervals that it said are written."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        writer = RecordingWriter(path, FACTS)
        while True:
            # One byte for each step that lies between two moments of a kill.
            os.write(writing, b".")
            writer.append(snapshot(number))
            number += 1
            os.write(writing, b"+")
    os.close(writing)
    data = b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while len(data) <= length % 12:
            data += pipe.read(1)
        for _ in range(length):  # somewhere within the next step
            pass
        os.kill(pid, signal.SIGKILL)
        data += pipe.readall()
    os.waitpid(pid, 0)
    return number + data.count(b"+")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
