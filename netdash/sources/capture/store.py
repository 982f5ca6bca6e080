"""All snapshots of a capture file, made in one pass in the background and kept in a temporary file of bounded size."""

from __future__ import annotations

import os
import tempfile
import threading
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NetdashError
from netdash.model.codec import DecodeError, decode_snapshot, encode_snapshot
from netdash.model.headline import headline_rate
from netdash.model.merge import merge
from netdash.model.packets import PacketWatch, StoredPackets
from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_store import SnapshotGoneError, Timetable
from netdash.sources.capture.counting import CapturePass
from netdash.sources.capture.file import CaptureFile
from netdash.sources.capture.flow_packets import packets_of
from netdash.sources.source import never

MAX_BYTES: Final = 1 << 30
MAX_SNAPSHOTS: Final = 131_072
_FASTEST: Final = 1
"""Level of zlib: flows are packed to a fifth at the speed at which they are counted."""

_COLUMNS: Final = np.dtype(
    [("time", "<f8"), ("monotonic_ns", "<i8"), ("interval", "<f8"), ("rate", "<f8"), ("offset", "<i8"), ("size", "<i8")]
)


class CaptureStore:
    """A SnapshotStore that fills itself. Use: `start`, read while it grows, `close` (once).

    Nothing is dropped. When half of the room is taken, intervals that follow are summed two by two, when three quarters
    are, four by four, and so on: the end of a very long file is coarser than its beginning, and says so by its
    intervals.
    """

    damage: str | None = None
    """What cannot be read of a capture file is told in the notes of its snapshots."""

    def __init__(
        self,
        counting: CapturePass,
        source: CaptureFile,
        max_bytes: int = MAX_BYTES,
        max_snapshots: int = MAX_SNAPSHOTS,
    ) -> None:
        """Takes over `source`, the file that `counting` reads."""
        self._pass = counting
        self._source = source
        self._max_bytes = max_bytes
        self._max_snapshots = max_snapshots
        self._kept, path = tempfile.mkstemp(prefix="netdash-")
        # Without a name it goes away with the process, however that ends.
        os.unlink(path)
        self._columns = np.zeros(64, _COLUMNS)
        self._count = 0
        self._used_bytes = 0
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._failure: NetdashError | None = None
        self._thread = threading.Thread(target=self._fill, name="capture-file", daemon=True)
        self.complete = False
        """Whether the whole file was counted."""

    def start(self, wait_seconds: float = 60.0) -> None:
        """Begins to count and waits for the first snapshot. Raises NetdashError where there is nothing to count."""
        self._thread.start()
        self._begun.wait(wait_seconds)
        if self._failure is not None:
            raise self._failure

    def timetable(self) -> Timetable:
        """What was counted so far. Raises NetdashError where the rest cannot be kept."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            columns: NDArray[np.void] = self._columns[: self._count]
        return Timetable(0, columns["time"], columns["monotonic_ns"], columns["interval"], columns["rate"])

    def read(self, number: int) -> Snapshot:
        """One snapshot. Raises SnapshotGoneError."""
        with self._lock:
            if not 0 <= number < self._count:
                raise SnapshotGoneError(f"the capture file has no snapshot {number}")
            offset, size = (int(self._columns[name][number]) for name in ("offset", "size"))
        try:
            return decode_snapshot(zlib.decompress(os.pread(self._kept, size, offset)))
        except (OSError, ValueError, zlib.error, DecodeError) as error:
            raise SnapshotGoneError(f"snapshot {number} cannot be read back: {error}") from error

    def close(self) -> None:
        """Ends the counting and gives the room back."""
        self._pass.stop()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._kept)
        self._source.close()

    @property
    def running(self) -> bool:
        """Whether the counting goes on."""
        return self._thread.is_alive()

    def progress(self) -> float:
        """Share of the file that was counted, 0 to 1."""
        return 1.0 if self.complete else self._pass.state.position / max(1, self._source.size_bytes)

    def packets_of(
        self, watch: PacketWatch, *, from_ns: int | None = None, is_over: Callable[[], bool] = never
    ) -> StoredPackets:
        """As PacketStore."""
        options = self._pass.options
        begin_ns = options.from_ns if from_ns is None else from_ns
        return packets_of(
            self._source,
            watch,
            local_nets=options.local_nets,
            from_ns=begin_ns,
            to_ns=options.to_ns,
            is_over=is_over,
        )

    def _fill(self) -> None:
        try:
            waiting: Snapshot | None = None
            parts = 0
            for snapshot in self._pass.snapshots():
                if self._pass.stopped:
                    return
                waiting = snapshot if waiting is None else merge(waiting, snapshot)
                parts += 1
                if snapshot.interval == 0 or parts >= self._parts_of_one():
                    self._append(waiting)
                    waiting, parts = None, 0
            if waiting is not None:
                self._append(waiting)
            self.complete = True
        except NetdashError as error:
            self._failure = error
        except OSError as error:
            self._failure = NetdashError(f"no room for the counts of the capture file: {error.strerror}; set TMPDIR")
        finally:
            self._begun.set()

    def _parts_of_one(self) -> int:
        """How many intervals are stored as one, by what is left of the room: 1, 2, 4, …"""
        left = min(1 - self._used_bytes / self._max_bytes, 1 - (self._count + 1) / self._max_snapshots)
        parts = 1
        while left < 1 / (2 * parts) and parts < 1 << 20:
            parts *= 2
        return parts

    def _append(self, snapshot: Snapshot) -> None:
        packed = zlib.compress(encode_snapshot(snapshot), _FASTEST)
        row = (
            snapshot.time,
            snapshot.monotonic_ns,
            snapshot.interval,
            headline_rate(snapshot),
            self._used_bytes,
            len(packed),
        )
        written = 0
        while written < len(packed):
            written += os.pwrite(self._kept, packed[written:], self._used_bytes + written)
        with self._lock:
            if self._count == len(self._columns):
                # Anew, not in place: timetables that were given out stay as they are.
                self._columns = np.concatenate([self._columns, np.zeros(self._count, _COLUMNS)])
            self._columns[self._count] = row
            self._count += 1
            self._used_bytes += len(packed)
        self._begun.set()
