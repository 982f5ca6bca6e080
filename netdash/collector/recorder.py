"""Recording in the collector: a stalled terminal or a suspended dashboard leaves no gap in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netdash.errors import NetdashError
from netdash.kernel.net_dev import DeviceCounters
from netdash.model.headline import headline_interfaces
from netdash.model.recording_status import RecordingStatus
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Accounting, Interface, Snapshot
from netdash.model.units import Units
from netdash.options import Options
from netdash.recording.background import BackgroundRecorder
from netdash.recording.database import RecordingError
from netdash.recording.place import dated_path
from netdash.recording.retention import Limits
from netdash.recording.run_facts import facts_here
from netdash.recording.writer import InterfaceTotal, RecordingWriter

_PATH_LIMIT: Final = 200
_VOLUME: Final = Units(bits=False)


@dataclass(slots=True)
class _InterfaceSums:
    """Of one interface, by index, since the recording began."""

    name: str
    rx_base: int
    tx_base: int
    rx_last: int
    tx_last: int
    rx_before: int = 0
    """Of the counter until it began anew."""
    tx_before: int = 0
    rx_recorded: int = 0
    tx_recorded: int = 0
    counted: int | None = None

    def add(self, interface: Interface, counters: DeviceCounters, accounting: Accounting | None) -> None:
        """Takes an interval in."""
        self.name = interface.name
        if interface.rx_bytes is None or interface.tx_bytes is None:
            self.rx_before += self.rx_last - self.rx_base
            self.tx_before += self.tx_last - self.tx_base
            self.rx_base, self.tx_base = counters.rx_bytes, counters.tx_bytes
        self.rx_last, self.tx_last = counters.rx_bytes, counters.tx_bytes
        self.rx_recorded += interface.rx_bytes or 0
        self.tx_recorded += interface.tx_bytes or 0
        if accounting is not None and accounting.counted_bytes is not None:
            self.counted = (self.counted or 0) + accounting.counted_bytes

    def total(self) -> InterfaceTotal:
        """For the file."""
        return InterfaceTotal(
            self.name,
            self.rx_before + self.rx_last - self.rx_base,
            self.tx_before + self.tx_last - self.tx_base,
            self.rx_recorded,
            self.tx_recorded,
            self.counted,
        )


class Recorder:
    """At most one recording at a time."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._recorder: BackgroundRecorder | None = None
        self._sums: dict[int, _InterfaceSums] = {}
        self._headline: set[int] = set()
        self._ended: RecordingStatus | None = None
        """How the last one ended, while none is on."""

    @property
    def active(self) -> bool:
        """Whether intervals are being recorded."""
        return self._recorder is not None and self._recorder.failure is None

    @property
    def status(self) -> RecordingStatus | None:
        """None before the first recording."""
        recorder = self._recorder
        if recorder is None:
            return self._ended
        return RecordingStatus(
            recorder.failure is None, sanitize(recorder.path, _PATH_LIMIT), recorder.size_bytes, recorder.failure
        )

    def start(self, seconds: float) -> None:
        """Begins a recording in the file of the command line, else in a dated one. `seconds`: the interval.

        May wait for the disk. Raises RecordingError.
        """
        try:
            path = self._options.log_path or dated_path(time.time())
        except OSError as error:
            raise RecordingError(f"cannot make a folder for the recording: {error.strerror}; name a file") from error
        facts = facts_here(seconds, " ".join(self._options.interfaces.patterns))
        limits = Limits(self._options.log_max_bytes, self._options.log_max_age_seconds)
        self._sums = {}
        self._recorder = BackgroundRecorder(RecordingWriter(path, facts, limits))
        self._ended = None

    def refuse(self, why: str) -> None:
        """A recording that was asked for cannot begin."""
        self._recorder, self._ended = None, RecordingStatus(False, "", 0, why)

    def add(self, snapshot: Snapshot, devices: Mapping[str, DeviceCounters]) -> None:
        """Records an interval if a recording is on; `devices`: the kernel's counters at its end, by name."""
        if self._recorder is None or self._recorder.failure is not None:
            return
        self._headline = {i.index for i in headline_interfaces(snapshot.interfaces)}
        for interface in snapshot.interfaces:
            counters = devices.get(interface.name)
            if counters is None:
                continue
            if interface.index not in self._sums:
                rx = counters.rx_bytes - (interface.rx_bytes or 0)
                tx = counters.tx_bytes - (interface.tx_bytes or 0)
                self._sums[interface.index] = _InterfaceSums(interface.name, rx, tx, rx, tx)
            self._sums[interface.index].add(interface, counters, snapshot.accounting.get(interface.name))
        self._recorder.add(snapshot)

    async def stop(self) -> RecordingStatus | None:
        """Ends the recording; how it went, None if there was none."""
        recorder = self._recorder
        if recorder is None:
            return self._ended
        totals = _by_name([sums.total() for sums in self._sums.values()])
        shown = [sums.total() for index, sums in self._sums.items() if index in self._headline]
        if recorder.failure is None:
            await asyncio.to_thread(recorder.finish, totals, _comparison(shown))
        path = sanitize(recorder.path, _PATH_LIMIT)
        line = f"recorded {recorder.written:,} intervals to {path}, {_VOLUME.volume_spaced(recorder.size_bytes)}; "
        line += _comparison(shown)
        closing = line if recorder.failure is None else None
        self._recorder, self._ended = None, RecordingStatus(False, path, recorder.size_bytes, recorder.failure, closing)
        return self._ended


def _by_name(totals: list[InterfaceTotal]) -> list[InterfaceTotal]:
    """One for each name, which an interface may have taken over from another; the last has it."""
    return list({total.interface: total for total in totals}.values())


def _comparison(totals: list[InterfaceTotal]) -> str:
    """The kernel's counters beside what was recorded, in words."""
    kernel = sum(t.kernel_rx_bytes + t.kernel_tx_bytes for t in totals)
    missing = kernel - sum(t.recorded_rx_bytes + t.recorded_tx_bytes for t in totals)
    words = f"the kernel's counters say {_VOLUME.volume_spaced(kernel)}, "
    words += f"{missing:,} bytes of it are not recorded" if missing >= 0 else f"{-missing:,} bytes more are recorded"
    counted = [t.counted_bytes for t in totals if t.counted_bytes is not None]
    if counted and kernel:
        # The two are read one after the other, while packets go on.
        rest = kernel - sum(counted)
        words += f", {rest:,} bytes not in its flows" if rest >= 0 else f", {-rest:,} bytes more in its flows"
    return words


async def start_in_thread(recorder: Recorder, seconds: float) -> None:
    """Begins a recording while the clock goes on; a failure is told by `status`."""
    try:
        await asyncio.to_thread(recorder.start, seconds)
    except NetdashError as error:
        recorder.refuse(str(error))
