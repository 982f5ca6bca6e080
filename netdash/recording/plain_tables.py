"""Writes the sums of a minute into the tables that anyone can ask with SQL; schema.sql describes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.protocols import protocol_name
from netdash.model.snapshot import Process
from netdash.model.tables import ATTRIBUTION_NAMES, FLOW_OVERFLOW, UNKNOWN, address_text
from netdash.recording.conversations import DIRECTIONS, busiest, conversations, sum_by
from netdash.recording.dimensions import INTERFACE_FIGURES, MAX_CONVERSATIONS, MAX_PROCESSES
from netdash.recording.flow_sums import FIGURES
from netdash.recording.hour_sums import HOUR_SECONDS, HourSums
from netdash.recording.minute_sums import MinuteSums, ProcessSum

MAX_FLOWS: Final = 20_000
"""Rows of one minute; the smallest beyond are summed."""

NOBODY: Final = 0
_NO_ADDRESS: Final = ""
_REMEMBERED: Final = 200_000

_PROCESS_FIGURES: Final = ("rx_bytes", "tx_bytes", "rx_payload", "tx_payload")
_FLOW_COLUMNS: Final = (
    "first, last, interface, vlan, protocol, local, local_port, remote, remote_port, process, attribution, "
    "rx_bytes, tx_bytes, rx_packets, tx_packets, rx_payload, tx_payload, rtt_us, retransmits, merged"
)


def _insert_adding(table: str, keys: str, plain: str, sums: Iterable[str], peaks: Iterable[str]) -> str:
    """An INSERT that adds to a row that is there already: a minute may be written in parts."""
    columns = [*keys.split(", "), *filter(None, plain.split(", ")), *sums, *peaks]
    updates = [f"{name} = excluded.{name}" for name in filter(None, plain.split(", "))]
    updates += [f"{name} = {name} + excluded.{name}" for name in sums]
    updates += [f"{name} = max({name}, excluded.{name})" for name in peaks]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT ({keys}) DO UPDATE SET {', '.join(updates)}"
    )


_INTERFACE: Final = _insert_adding(
    "interface_minute",
    "minute, interface",
    "kind, headline, speed_bps",
    ("seconds", *INTERFACE_FIGURES),
    ("rx_peak", "tx_peak"),
)
_PROCESS: Final = _insert_adding(
    "process_minute", "minute, process", "", _PROCESS_FIGURES, ("rx_peak", "tx_peak", "connections")
)
_REMOTE: Final = _insert_adding(
    "remote_minute",
    "minute, interface, protocol, remote, port, direction, process",
    "",
    (*FIGURES, "flows"),
    (),
)
_FLOW_INSERT: Final = f"INSERT INTO flow ({_FLOW_COLUMNS}) VALUES ({', '.join('?' * 20)})"
_FLOW_UPDATE: Final = (
    "UPDATE flow SET last = ?, process = ?, attribution = ?, "
    + ", ".join(f"{name} = {name} + ?" for name in FIGURES)
    + ", rtt_us = ?, retransmits = ? WHERE id = ?"
)


class PlainTables:
    """Remembers the numbers of processes and open flows, and addresses as text."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._processes: dict[tuple[object, ...], int] = {}
        self._addresses: dict[bytes, str] = {}
        self._open_flows: dict[int, tuple[int, int]] = {}
        """Flow id -> row and process, of this hour."""
        self._hour = 0
        self._hours = HourSums(connection)

    def forget(self) -> None:
        """After rows were deleted, or a transaction was undone: numbers are looked up again."""
        self._processes, self._addresses, self._open_flows = {}, {}, {}

    def write(self, sums: MinuteSums) -> None:
        """Adds one minute, within the transaction at hand. Raises sqlite3.Error."""
        if max(len(self._processes), len(self._addresses), len(self._open_flows)) > _REMEMBERED:
            self.forget()
        if sums.minute // HOUR_SECONDS != self._hour:
            self._hour, self._open_flows = sums.minute // HOUR_SECONDS, {}
        self._hours.enter(sums.minute)
        self._write_interfaces(sums)
        self._write_processes(sums)
        flows = sums.flows.rows()
        if len(flows):
            self._write_remotes(sums, conversations(flows, *sums.services()))
            self._write_flows(sums, flows)

    def finish(self) -> None:
        """Sums the hour under way, within the transaction at hand. Raises sqlite3.Error."""
        self._hours.finish()

    def _write_interfaces(self, sums: MinuteSums) -> None:
        rows = [
            (
                sums.minute,
                name,
                total.kind,
                int(total.headline),
                total.speed_bps,
                total.seconds,
                *(total.figures.get(figure) for figure in INTERFACE_FIGURES),
                _whole(total.rx_peak),
                _whole(total.tx_peak),
            )
            for name, total in sums.interfaces.items()
        ]
        self._connection.executemany(_INTERFACE, rows)

    def _write_processes(self, sums: MinuteSums) -> None:
        ranked = sorted(sums.processes.values(), key=_moved, reverse=True)
        rows = [
            (sums.minute, self._process(total.process), *_process_figures([total])) for total in ranked[:MAX_PROCESSES]
        ]
        if len(ranked) > MAX_PROCESSES:
            rows.append((sums.minute, NOBODY, *_process_figures(ranked[MAX_PROCESSES:])))
        self._connection.executemany(_PROCESS, rows)

    def _write_remotes(self, sums: MinuteSums, rows: NDArray[np.void]) -> None:
        top, rest = busiest(rows, MAX_CONVERSATIONS)
        written = [
            (
                sums.minute,
                sums.names.get(int(row["ifindex"]), ""),
                protocol_name(int(row["protocol"]), int(row["ethertype"])),
                self._address(row["remote"].tobytes()),
                int(row["port"]),
                DIRECTIONS[int(row["direction"])],
                self._owner(sums, int(row["pid"])),
                *_figures(row),
                int(row["flows"]),
            )
            for row in top
        ]
        for name, row, flows in _by_interface(sums, rest):
            written.append((sums.minute, name, "", _NO_ADDRESS, 0, "", NOBODY, *_figures(row), flows))
        self._connection.executemany(_REMOTE, written)

    def _write_flows(self, sums: MinuteSums, flows: NDArray[np.void]) -> None:
        top, rest = busiest(flows, MAX_FLOWS)
        updates: list[tuple[object, ...]] = []
        for row in top:
            process = self._owner(sums, int(row["pid"]))
            known = self._open_flows.get(int(row["id"]))
            if known is not None and process in (known[1], NOBODY):
                updates.append(_flow_update(row, known[1], known[0]))
            elif known is not None and known[1] == NOBODY:
                updates.append(_flow_update(row, process, known[0]))
                self._open_flows[int(row["id"])] = (known[0], process)
            else:
                self._open_flows[int(row["id"])] = (self._insert_flow(sums, row, process), process)
        self._connection.executemany(_FLOW_UPDATE, updates)
        for name, row, count in _by_interface(sums, rest):
            span = (float(row["first"]), float(row["last"]))
            ends = (_NO_ADDRESS, None, _NO_ADDRESS, None)
            values = (*span, name, None, "", *ends, NOBODY, "none", *_figures(row), None, None, count)
            self._connection.execute(_FLOW_INSERT, values)

    def _insert_flow(self, sums: MinuteSums, row: np.void, process: int) -> int:
        vlan = int(row["vlan"])
        overflow = bool(int(row["flags"]) & FLOW_OVERFLOW)
        cursor = self._connection.execute(
            _FLOW_INSERT,
            (
                round(float(row["first"]), 3),
                round(float(row["last"]), 3),
                sums.names.get(int(row["ifindex"]), ""),
                vlan & 0xFFF if vlan else None,
                "" if overflow else protocol_name(int(row["protocol"]), int(row["ethertype"])),
                self._address(row["local"].tobytes()),
                int(row["local_port"]),
                self._address(row["remote"].tobytes()),
                int(row["remote_port"]),
                process,
                ATTRIBUTION_NAMES[min(int(row["attribution"]), len(ATTRIBUTION_NAMES) - 1)],
                *_figures(row),
                int(row["rtt_us"]) or None,
                int(row["retransmits"]),
                2 if overflow else 1,
            ),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _owner(self, sums: MinuteSums, pid: int) -> int:
        process = sums.by_pid.get(pid)
        return NOBODY if process is None else self._process(process)

    def _process(self, process: Process) -> int:
        key = (
            process.pid,
            process.start_ticks,
            process.start,
            process.name,
            process.command,
            process.user,
            process.unit,
            process.container,
        )
        if key not in self._processes:
            found = self._connection.execute(
                "SELECT id FROM process WHERE pid = ? AND start_ticks = ? AND started = ? AND name = ? AND command = ? "
                "AND user = ? AND unit IS ? AND container IS ?",
                key,
            ).fetchone()
            if found is None:
                found = self._connection.execute(
                    "INSERT INTO process (pid, start_ticks, started, name, command, user, unit, container) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                    key,
                ).fetchone()
            self._processes[key] = int(found[0])
        return self._processes[key]

    def _address(self, packed: bytes) -> str:
        if packed not in self._addresses:
            self._addresses[packed] = address_text(packed) if any(packed) else _NO_ADDRESS
        return self._addresses[packed]


def _whole(number: float) -> int:
    return round(min(number, 2.0**62))


def _known(value: int) -> int | None:
    return None if value == UNKNOWN else value


def _figures(row: np.void) -> tuple[int | None, ...]:
    return tuple(_known(int(row[name])) for name in FIGURES)


def _flow_update(row: np.void, process: int, number: int) -> tuple[object, ...]:
    return (
        round(float(row["last"]), 3),
        process,
        ATTRIBUTION_NAMES[min(int(row["attribution"]), len(ATTRIBUTION_NAMES) - 1)],
        *_figures(row),
        int(row["rtt_us"]) or None,
        int(row["retransmits"]),
        number,
    )


def _moved(total: ProcessSum) -> int:
    return max(total.rx_bytes or 0, total.rx_payload or 0) + max(total.tx_bytes or 0, total.tx_payload or 0)


def _process_figures(totals: list[ProcessSum]) -> tuple[int | None, ...]:
    """Of one process, or of several together; their peaks need not coincide, so the highest single one stands."""
    figures: list[int | None] = []
    for name in _PROCESS_FIGURES:
        values: list[int | None] = [getattr(total, name) for total in totals]
        figures.append(None if None in values else sum(value for value in values if value is not None))
    peaks = (_whole(max(t.rx_peak for t in totals)), _whole(max(t.tx_peak for t in totals)))
    return (*figures, *peaks, sum(t.connections for t in totals))


def _by_interface(sums: MinuteSums, rows: NDArray[np.void]) -> Iterator[tuple[str, np.void, int]]:
    """For each interface a row that holds the sum of its `rows`, and how many flows that is."""
    for index in np.unique(rows["ifindex"]):
        members = rows[rows["ifindex"] == index]
        row, first = members[:1].copy(), np.zeros(1, np.intp)
        for name in FIGURES:
            row[name] = sum_by(members[name], first)
        row["first"], row["last"] = members["first"].min(), members["last"].max()
        count = int(members["flows"].sum()) if "flows" in (members.dtype.names or ()) else len(members)
        yield sums.names.get(int(index), ""), row[0], count
