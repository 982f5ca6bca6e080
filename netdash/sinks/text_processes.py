"""Processes as text, in nethogs' terms: NAME/PID/USER, sent, received."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Layer, Process, Snapshot
from netdash.model.tables import UNKNOWN, Attribution
from netdash.model.units import Units
from netdash.sinks.rows import process_moved
from netdash.sinks.text_layout import clean, layer_words, more, rate
from netdash.sinks.text_table import table

_HEADER: Final = ("NAME/PID/USER", "SENT", "RECEIVED", "APP SENT", "APP RECEIVED", "CONNECTIONS")

_MINIMUM: Final = (40, 10, 10, 10, 12, 11)

_NO_PROCESS: Final = (
    (Attribution.FORWARDED, "forwarded (no socket here)"),
    (Attribution.KERNEL, "kernel (no process)"),
    (Attribution.NONE, "unattributed"),
)


def processes_text(snapshot: Snapshot, units: Units, limit: int) -> list[str]:
    """The busiest processes, then what belongs to none."""
    moved = sorted(filter(process_moved, snapshot.processes), key=_volume, reverse=True)
    rows = [_process_row(process, units, snapshot.interval) for process in moved[:limit]]
    wire = snapshot.mode.layer is Layer.WIRE
    for attribution, name in _NO_PROCESS:
        flows = snapshot.flows[snapshot.flows["attribution"] == attribution]
        tx, rx = ("tx_bytes", "rx_bytes") if wire else ("tx_payload", "rx_payload")
        figures = [rate(units, _sum(flows[column]), snapshot.interval) for column in (tx, rx)]
        rows.append((name, *figures, "", "", "") if wire else (name, "", "", *figures, ""))
    return [
        f"Processes  ({units.rate_words}; sent, received: {layer_words(snapshot.mode)}; app: payload)",
        *table(_HEADER, rows, (0,), _MINIMUM),
        *more(limit, len(moved), "processes"),
    ]


def _process_row(process: Process, units: Units, interval: float) -> tuple[str, ...]:
    p = process
    figures = (rate(units, value, interval) for value in (p.tx_bytes, p.rx_bytes, p.tx_payload, p.rx_payload))
    name = f"{clean(p.name)}/{p.pid}/{clean(p.user)}"
    return (f"{name} (exited)" if p.exited else name, *figures, str(p.connections))


def _volume(process: Process) -> int:
    p = process
    return max((p.rx_bytes or 0) + (p.tx_bytes or 0), (p.rx_payload or 0) + (p.tx_payload or 0))


def _sum(values: NDArray[np.int64]) -> int | None:
    return None if (values == UNKNOWN).any() else int(values.sum())
