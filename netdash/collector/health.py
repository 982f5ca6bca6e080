"""What the user has to know of an interval beside its figures: losses, and notes that stay or fade."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.capture_filter import CaptureFilter
from netdash.kernel.sock_diag import SocketReader
from netdash.model.protocols import UDP
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Health
from netdash.model.tables import FLOW_OVERFLOW

_TIMELY_NOTES: Final = 8
_NOTE_SECONDS: Final = 60.0


@dataclass(slots=True)
class HealthTable:
    """Remembers notes on what happened for a minute."""

    recent: list[tuple[float, str]] = field(default_factory=list)
    """Monotonic seconds and text."""

    def note(self, text: str) -> None:
        """Something happened."""
        self.recent.append((time.monotonic(), text))

    def interface_vanished(self, name: str) -> None:
        """An interface is gone."""
        self.note(f"interface {sanitize(name, 32)} vanished at {time.strftime('%H:%M:%S')}")

    def health(
        self, lost_packets: int, flows: NDArray[np.void], lasting: Iterable[str], capture: CaptureFilter | None
    ) -> Health:
        """Of this interval; `flows`: its FLOW_ROW, `lasting`: notes that stay."""
        now = time.monotonic()
        self.recent = [(t, text) for t, text in self.recent if now - t < _NOTE_SECONDS][-_TIMELY_NOTES:]
        notes = [] if capture is None else [_filtered(capture)]
        notes += [*lasting, *(text for _, text in self.recent)]
        overflow = int(((flows["flags"] & FLOW_OVERFLOW) != 0).sum())
        if overflow:
            notes.append("the flow table is full: some flows share one row (see --max-flows)")
        return Health(lost_packets, overflow, tuple(notes))


def unlisted_sockets(sockets: SocketReader) -> list[str]:
    """What the last listing of the sockets leaves out."""
    notes = []
    if sockets.truncated:
        notes.append(f"there are more than {sockets.max_sockets} sockets: the others are not listed")
    if UDP in sockets.missing_protocols:
        notes.append("UDP sockets are not listed: this kernel has no udp_diag; load it with 'modprobe udp_diag'")
    return notes


def _filtered(capture: CaptureFilter) -> str:
    expression = sanitize(capture.expression, 100)
    return f"filtered: only packets that match '{expression}' are counted; interface counters are of all packets"
