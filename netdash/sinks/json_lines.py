"""JSON Lines: one object a line, schema "netdash/1" (schema.json beside this file)."""

from __future__ import annotations

from typing import Final, TextIO

import msgspec

from netdash import __version__
from netdash.model.moments import iso_time
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Health, Snapshot
from netdash.options import View
from netdash.sinks.row_filter import RowFilter
from netdash.sinks.rows import (
    AddressTexts,
    flow_rows,
    interface_facts,
    interface_row,
    process_moved,
    process_row,
    protocols_row,
    socket_rows,
    station_rows,
)
from netdash.sinks.run_totals import RunTotals
from netdash.sinks.sink import emit

SCHEMA: Final = "netdash/1"

_INTERVAL_DIGITS: Final = 6


class JsonLinesSink:
    """A "start" line, a "snapshot" line an interval, a "summary" line with the totals of the run."""

    def __init__(
        self, stream: TextIO, interval_seconds: float, view: View | None = None, rows: RowFilter | None = None
    ) -> None:
        """`interval_seconds`: as asked for; `view`: only its tables, None = all but the sockets; `rows`: None = all."""
        self.stream = stream
        self._interval_seconds = interval_seconds
        self._view = view
        self._rows = rows
        self._addresses = AddressTexts()
        self._totals = RunTotals(view)
        self._encoder = msgspec.json.Encoder()

    def start(self, snapshot: Snapshot) -> None:
        self._totals.add(snapshot)
        self._emit(
            {
                "type": "start",
                "schema": SCHEMA,
                "version": __version__,
                "time": iso_time(snapshot.time),
                "host": sanitize(snapshot.host),
                "interval": self._interval_seconds,
                "mode": snapshot.mode,
                "health": _health(snapshot),
                "interfaces": [interface_facts(interface) for interface in snapshot.interfaces],
            }
        )

    def write(self, snapshot: Snapshot) -> None:
        self._totals.add(snapshot)
        self._emit(self._line("snapshot", snapshot))

    def finish(self) -> None:
        if (total := self._totals.total()) is not None:
            self._emit(self._line("summary", total))

    def _emit(self, line: dict[str, object]) -> None:
        emit(self.stream, self._encoder.encode(line) + b"\n")

    def _line(self, kind: str, snapshot: Snapshot) -> dict[str, object]:
        chosen: dict[str, object] = {}
        if self._rows is not None:
            snapshot, hidden = self._rows.apply(snapshot)
            chosen = {
                "filter": {
                    "expression": self._rows.text,
                    "hidden_flows": hidden.flows,
                    "hidden_processes": hidden.processes,
                    "hidden_sockets": hidden.sockets,
                }
            }
        line: dict[str, object] = {
            "type": kind,
            "schema": SCHEMA,
            "time": iso_time(snapshot.time),
            "host": sanitize(snapshot.host),
            "interval": round(snapshot.interval, _INTERVAL_DIGITS),
            "mode": snapshot.mode,
            "health": _health(snapshot),
            **chosen,
        }
        view = self._view
        if view in (None, "interfaces"):
            line["accounting"] = {sanitize(name): value for name, value in snapshot.accounting.items()}
            line["interfaces"] = [interface_row(interface) for interface in snapshot.interfaces]
        if view in (None, "processes"):
            line["processes"] = [process_row(process) for process in snapshot.processes if process_moved(process)]
        if view in (None, "flows"):
            line["flows"] = list(flow_rows(snapshot, self._addresses))
        if view == "sockets":
            line["sockets"] = list(socket_rows(snapshot, self._addresses))
        if view in (None, "protocols"):
            line["protocols"] = {sanitize(name): protocols_row(value) for name, value in snapshot.protocols.items()}
            line["stations"] = station_rows(snapshot)
            line["counters"] = {sanitize(name): value for name, value in snapshot.counters.items()}
            line["gauges"] = {sanitize(name): value for name, value in snapshot.gauges.items()}
        return line


def _health(snapshot: Snapshot) -> Health:
    health = snapshot.health
    return Health(health.lost_packets, health.evicted_flows, tuple(sanitize(note) for note in health.notes))
