"""Stations since the start: what came from each MAC address and went to it, as iptraf-ng's LAN monitor counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Layer, Snapshot
from netdash.model.stations import merge_stations
from netdash.model.tables import STATION_ROW, empty, take

MAX_STATIONS: Final = 8192
"""Rows; beyond that the smallest are summed up in rows of address zero, so that no byte is lost."""

_NOW: Final = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")

STATION_FIGURES: Final = np.dtype([*STATION_ROW.descr, *((f"{name}_now", "<i8") for name in _NOW)])
"""STATION_ROW since the start, and `*_now`: of the last interval."""


@dataclass(frozen=True, slots=True, eq=False)
class StationFigures:
    """All stations at one moment; never changed."""

    rows: NDArray[np.void] = field(default_factory=lambda: empty(STATION_FIGURES))
    """STATION_FIGURES, by interface and address."""
    interval: float = 0.0
    """Seconds of the last interval; 0.0 before the first."""
    counted: bool = True
    """Whether packets are counted at all."""

    def of_interfaces(self, indices: Collection[int]) -> NDArray[np.void]:
        """The rows of some interfaces; index 0 stands for what no interface is known of."""
        return take(self.rows, np.isin(self.rows["ifindex"], list(indices)))


class StationHistory:
    """Adds up the stations of snapshots."""

    def __init__(self) -> None:
        self.figures = StationFigures()

    def copy(self) -> StationHistory:
        """One that goes on from here by itself."""
        twin = StationHistory()
        twin.figures = self.figures
        return twin

    def update(self, snapshot: Snapshot) -> None:
        """Takes one interval. A baseline has no figures."""
        if snapshot.interval <= 0.0:
            return
        idle = self.figures.rows.copy()
        moved = np.zeros(len(snapshot.stations), STATION_FIGURES)
        for name in STATION_ROW.names or ():
            moved[name] = snapshot.stations[name]
        for name in _NOW:
            idle[f"{name}_now"] = 0
            moved[f"{name}_now"] = snapshot.stations[name]
        rows = merge_stations(idle, moved, MAX_STATIONS)
        self.figures = StationFigures(rows, snapshot.interval, snapshot.mode.layer is Layer.WIRE)
