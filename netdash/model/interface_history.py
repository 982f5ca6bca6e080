"""Interfaces over time: a ring of rates for the graphs, and nload's five figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.headline import most_wanted_last, total_interface
from netdash.model.snapshot import Interface, Snapshot

RING_SECONDS: Final = 900.0
"""Fifteen minutes of samples, or RING_SAMPLES if those are fewer."""
RING_SAMPLES: Final = 1800
MAX_INTERFACES: Final = 1024
"""Interfaces with a history. Beyond that the one seen longest ago goes first, then the least wanted."""

INTERFACE_SAMPLE: Final = np.dtype(
    [("time", "<f8"), ("rx_bytes", "<f4"), ("tx_bytes", "<f4"), ("rx_packets", "<f4"), ("tx_packets", "<f4")]
)
"""One interval: `time` = its end in seconds of the monotonic clock; the others per second, NaN where a counter was
reset."""

_FIGURES: Final = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")


@dataclass(frozen=True, slots=True)
class DirectionFigures:
    """One direction since the start: bytes per second, and bytes. None = no interval was counted yet."""

    current: float | None = None
    average: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    total_bytes: int = 0
    seconds: float = 0.0
    """Time that was counted in; intervals with a counter reset are not in it."""

    def after(self, count_bytes: int | None, seconds: float) -> DirectionFigures:
        """The figures with one more interval; None = not known in this interval."""
        if count_bytes is None:
            return DirectionFigures(None, self.average, self.minimum, self.maximum, self.total_bytes, self.seconds)
        rate = count_bytes / seconds
        total, time = self.total_bytes + count_bytes, self.seconds + seconds
        lowest = rate if self.minimum is None else min(rate, self.minimum)
        highest = rate if self.maximum is None else max(rate, self.maximum)
        return DirectionFigures(rate, total / time, lowest, highest, total, time)


@dataclass(frozen=True, slots=True, eq=False)
class InterfaceSeries:
    """The history of one interface; immutable."""

    samples: NDArray[np.void]
    """INTERFACE_SAMPLE, oldest first."""
    rx: DirectionFigures
    tx: DirectionFigures
    number: int = 0
    """Of the newest sample, counted from 1."""

    @property
    def rx_rates(self) -> NDArray[np.float32]:
        """Bytes per second, oldest first; NaN = a gap."""
        rates: NDArray[np.float32] = self.samples["rx_bytes"]
        return rates

    @property
    def tx_rates(self) -> NDArray[np.float32]:
        """Bytes per second, oldest first; NaN = a gap."""
        rates: NDArray[np.float32] = self.samples["tx_bytes"]
        return rates


@dataclass(slots=True)
class _Ring:
    """Appends into spare room at the end, so that slices given out before never change."""

    buffer: NDArray[np.void] = field(default_factory=lambda: np.zeros(32, INTERFACE_SAMPLE))
    start: int = 0
    end: int = 0

    def append(self, time: float, figures: list[float]) -> NDArray[np.void]:
        if self.end == len(self.buffer):
            kept = self.buffer[self.start : self.end]
            self.buffer = np.zeros(max(32, 2 * len(kept)), INTERFACE_SAMPLE)
            self.buffer[: len(kept)] = kept
            self.start, self.end = 0, len(kept)
        self.buffer[self.end] = (time, *figures)
        self.end += 1
        oldest = int(np.searchsorted(self.buffer["time"][self.start : self.end], time - RING_SECONDS, side="right"))
        self.start = max(self.start + oldest, self.end - RING_SAMPLES)
        return self.buffer[self.start : self.end]

    def copy(self) -> _Ring:
        """Without spare room: its next sample goes into a buffer of its own."""
        return _Ring(self.buffer[self.start : self.end], 0, self.end - self.start)


class InterfaceHistory:
    """Every interface by index and name: one that is made anew under its old name begins a history of its own.

    The sum that counts each transfer once (`headline.total_interface`) has a history like an interface's.
    """

    def __init__(self) -> None:
        self._rings: dict[tuple[int, str], _Ring] = {}
        self._series: dict[tuple[int, str], InterfaceSeries] = {}

    def update(self, snapshot: Snapshot) -> None:
        """Takes one interval. A baseline has no figures and changes nothing."""
        if snapshot.interval <= 0.0:
            return
        time = snapshot.monotonic_ns / 1e9
        series = dict(self._series)
        total = total_interface(snapshot.interfaces)
        for interface in (*most_wanted_last(snapshot.interfaces), *([total.sum] if total else [])):
            key = (interface.index, interface.name)
            if key in series and series[key].samples["time"][-1] >= time:
                del self._rings[key], series[key]  # the source went back in time: what follows is another story
            before = series.pop(key, None) or InterfaceSeries(
                np.zeros(0, INTERFACE_SAMPLE), DirectionFigures(), DirectionFigures()
            )
            # Popped and put back, the dict stays in the order of last sight.
            series[key] = InterfaceSeries(
                self._rings.setdefault(key, _Ring()).append(time, _rates(interface, snapshot.interval)),
                before.rx.after(interface.rx_bytes, snapshot.interval),
                before.tx.after(interface.tx_bytes, snapshot.interval),
                before.number + 1,
            )
        self._forget(series, time)
        self._series = series

    def copy(self) -> InterfaceHistory:
        """One that goes on from here by itself."""
        twin = InterfaceHistory()
        twin._rings = {key: ring.copy() for key, ring in self._rings.items()}
        twin._series = self._series
        return twin

    def _forget(self, series: dict[tuple[int, str], InterfaceSeries], now: float) -> None:
        """Drops what was not seen for as long as the ring reaches, and the oldest beyond the limit and the sum."""
        old = [key for key, value in series.items() if value.samples["time"][-1] <= now - RING_SECONDS]
        for key in old + list(series)[len(old) : len(series) - MAX_INTERFACES - 1]:
            del self._rings[key], series[key]

    def series(self, index: int, name: str) -> InterfaceSeries | None:
        """The history of one interface; None before its first interval."""
        return self._series.get((index, name))


def _rates(interface: Interface, seconds: float) -> list[float]:
    counts: list[int | None] = [getattr(interface, name) for name in _FIGURES]
    return [np.nan if count is None else count / seconds for count in counts]
