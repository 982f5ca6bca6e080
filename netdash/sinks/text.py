"""Plain text for people and log files: one block an interval, a summary at the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from netdash import __version__
from netdash.model.flow_history import FlowHistory
from netdash.model.snapshot import Snapshot
from netdash.model.units import NOT_KNOWN
from netdash.options import Options
from netdash.sinks.row_filter import RowFilter
from netdash.sinks.run_totals import RunTotals
from netdash.sinks.sink import emit
from netdash.sinks.text_flows import flow_totals_text, flows_text
from netdash.sinks.text_interfaces import accounting_text, interfaces_text
from netdash.sinks.text_layout import LONG_ROWS, SHORT_ROWS, Names, clean
from netdash.sinks.text_processes import processes_text
from netdash.sinks.text_protocols import protocols_summary_text, protocols_text
from netdash.sinks.text_sockets import sockets_text
from netdash.sources.resolver import Resolver

_NOTE_LIMIT = 400


class TextSink:
    """All views in short, or `options.view` alone and whole."""

    def __init__(self, stream: TextIO, options: Options, resolver: Resolver, rows: RowFilter | None = None) -> None:
        """`resolver` gives names unless `options.numeric`; it stays the caller's to close."""
        self.stream = stream
        self._options = options
        self._rows = rows
        self._names = Names(None if options.numeric else resolver)
        self._history = FlowHistory(options.max_flows)
        self._totals = RunTotals(options.view)
        self._notes: tuple[str, ...] = ()

    def start(self, snapshot: Snapshot) -> None:
        self._totals.add(snapshot)
        delay = f"{self._options.delay_seconds:g} s"
        title = f"netdash {__version__}  host {clean(snapshot.host)}  {_local(snapshot.time)}  every {delay}"
        interfaces = [
            f"  {clean(i.name)}: {clean(i.kind)}, {clean(i.state)}, speed {self._options.units.speed(i.speed_bps)}"
            + "".join(f", {clean(address)}" for address in i.addresses)
            for i in snapshot.interfaces
        ]
        self._notes = snapshot.health.notes
        self._emit([title, *interfaces, *_notes(snapshot.health.notes), *self._filter_note()])

    def write(self, snapshot: Snapshot) -> None:
        self._totals.add(snapshot)
        options, names, units = self._options, self._names, self._options.units
        if options.view in (None, "flows"):
            self._history.update(snapshot)
        matching = None if self._rows is None else self._rows.history_mask(self._history, snapshot)
        snapshot, hidden = self._shown(snapshot)
        lines = [_title(snapshot), *_missed(snapshot), *hidden]
        if snapshot.health.notes != self._notes:
            self._notes = snapshot.health.notes
            lines += _notes(self._notes)
        lines += [""]
        match options.view:
            case None:
                lines += self._interfaces(snapshot, _local(snapshot.time)[11:19])
                lines += ["", *processes_text(snapshot, units, SHORT_ROWS)]
                lines += ["", *flows_text(self._history, snapshot, names, units, SHORT_ROWS, matching)]
                lines += ["", *protocols_summary_text(snapshot, units)]
            case "interfaces":
                lines += self._interfaces(snapshot, _local(snapshot.time)[11:19])
            case "processes":
                lines += processes_text(snapshot, units, LONG_ROWS)
            case "flows":
                lines += flows_text(self._history, snapshot, names, units, LONG_ROWS, matching)
            case "sockets":
                lines += sockets_text(snapshot, names)
            case "protocols":
                lines += protocols_text(snapshot, units)
        self._emit(lines)

    def finish(self) -> None:
        total = self._totals.total()
        if total is None:
            return
        total, hidden = self._shown(total)
        options, units = self._options, self._options.units
        intervals = "1 interval" if self._totals.count == 1 else f"{self._totals.count} intervals"
        lines = [f"Summary  {total.interval:.3f} s in {intervals} to {_local(total.time)}"]
        lines += [*_missed(total), *_notes(total.health.notes), *self._filter_note(), *hidden]
        if total.interval > 0:
            match options.view:
                case None:
                    lines += ["", *self._interfaces(total, "Average:")]
                    lines += ["", *processes_text(total, units, SHORT_ROWS)]
                    lines += ["", *flow_totals_text(total, self._names, units, SHORT_ROWS)]
                    lines += ["", *protocols_summary_text(total, units)]
                case "interfaces":
                    lines += ["", *self._interfaces(total, "Average:")]
                case "processes":
                    lines += ["", *processes_text(total, units, LONG_ROWS)]
                case "flows":
                    lines += ["", *flow_totals_text(total, self._names, units, LONG_ROWS)]
                case "sockets":
                    lines += [f"{len(total.sockets)} sockets at the end"]
                case "protocols":
                    lines += ["", *protocols_text(total, units)]
        self._emit(lines)

    def _shown(self, snapshot: Snapshot) -> tuple[Snapshot, list[str]]:
        """What matches the filter, and a line about what does not."""
        if self._rows is None:
            return snapshot, []
        shown, hidden = self._rows.apply(snapshot)
        counts = f"{hidden.flows} flows, {hidden.processes} processes, {hidden.sockets} sockets"
        return shown, [f"filter: {clean(self._rows.text, _NOTE_LIMIT)}  hidden: {counts}"]

    def _filter_note(self) -> list[str]:
        return [] if self._rows is None else _notes((self._rows.note,))

    def _interfaces(self, snapshot: Snapshot, label: str) -> list[str]:
        accounting = accounting_text(snapshot, self._options.units)
        return [*interfaces_text(snapshot, label), *([""] if accounting else []), *accounting]

    def _emit(self, lines: list[str]) -> None:
        emit(self.stream, "\n".join([*lines, "", ""]))


def _title(snapshot: Snapshot) -> str:
    mode = snapshot.mode
    return (
        f"{_local(snapshot.time)}  interval {snapshot.interval:.3f} s  host {clean(snapshot.host) or NOT_KNOWN}"
        f"  flows: {mode.flows} ({mode.layer})  processes: {mode.processes}"
    )


def _notes(notes: tuple[str, ...]) -> list[str]:
    return [f"note: {clean(note, _NOTE_LIMIT)}" for note in notes]


def _missed(snapshot: Snapshot) -> list[str]:
    health = snapshot.health
    lost = [f"lost: {health.lost_packets} packets were not counted"] if health.lost_packets else []
    full = [f"full: {health.evicted_flows} flows had no row of their own"] if health.evicted_flows else []
    return [*lost, *full]


def _local(seconds: float) -> str:
    """Local time with its offset: "2026-11-22 14:03:22+0100"."""
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S%z")
    except (ValueError, OverflowError, OSError):
        return NOT_KNOWN
