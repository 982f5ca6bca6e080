"""From the ticks of a pcapng interface to nanoseconds: if_tsresol and if_tsoffset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LATEST_NS: Final = (1 << 63) - 1 - (1 << 60)
"""Times beyond (year 2225) are damage; they stand as this one, so that sums with intervals stay in range."""

_NANOSECOND_EXPONENT: Final = 9
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TimeScale:
    """A unit of 10^-exponent or 2^-exponent seconds, and seconds to add."""

    exponent: int = 6
    binary: bool = False
    offset_seconds: int = 0

    def nanoseconds(self, ticks: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Nanoseconds since the epoch, from 0 to LATEST_NS whatever the file says."""
        seconds, fraction_ns = self._split(ticks)
        latest = LATEST_NS // _SECOND_NS - 1
        offset = max(-latest, min(latest, self.offset_seconds))
        whole = np.clip(np.minimum(seconds, np.uint64(latest)).astype(np.int64) + offset, 0, latest)
        return whole * _SECOND_NS + fraction_ns

    def _split(self, ticks: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Whole seconds and the nanoseconds of the rest."""
        if self.binary:
            if self.exponent >= 64:
                return np.zeros_like(ticks), np.zeros(len(ticks), np.int64)
            shift = np.uint64(self.exponent)
            rest = ticks & np.uint64((1 << self.exponent) - 1)
            # A double holds 53 bits: exact to a nanosecond up to units of 2^-53 s.
            return ticks >> shift, (rest.astype(np.float64) * _SECOND_NS / 2.0**self.exponent).astype(np.int64)
        if self.exponent >= 20:
            return np.zeros_like(ticks), np.zeros(len(ticks), np.int64)
        unit = np.uint64(10**self.exponent)
        rest = ticks % unit
        if self.exponent <= _NANOSECOND_EXPONENT:
            rest = rest * np.uint64(10 ** (_NANOSECOND_EXPONENT - self.exponent))
        else:
            rest = rest // np.uint64(10 ** (self.exponent - _NANOSECOND_EXPONENT))
        return ticks // unit, rest.astype(np.int64)
