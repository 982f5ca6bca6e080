"""How long `netdash report` takes on recordings of a year: the whole program, from its start to its end."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.processes import Cost, run_to_end
from bench.report import Section, Table, Verdict, count, mebibytes, milliseconds
from bench.setting import Setting
from netdash.recording.database import open_for_writing
from netdash.recording.dimensions import MAX_CONVERSATIONS, MAX_PROCESSES
from netdash.recording.hour_sums import HourSums

_DAY: Final = 86_400
_BEGIN: Final = 1_764_547_200
"""2025-12-01T00:00:00Z."""
_ALLOWED_SECONDS: Final = 2.0
_RUNS: Final = 3
_FINE_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class _Load:
    """Names of an hour."""

    name: str
    programs: int
    users: int
    hosts: int
    ports: int


_TYPICAL: Final = _Load("20 programs, 100 hosts, 10 ports an hour", 20, 4, 100, 10)
_FULL: Final = _Load("100 programs, users, hosts and 50 ports an hour, the most that is kept", 100, 100, 100, 50)


def measure(setting: Setting) -> Section:
    """Recordings are filled by SQL, with random figures."""
    section = Section("Reports")
    days, rows = setting.pick(365, 30), []
    year: Cost | None = None
    with TemporaryDirectory(prefix="netdash-bench-") as folder:
        for load in (_TYPICAL, _FULL):
            path = Path(folder, f"{load.hosts}-{load.programs}")
            _write_hours(path, load, days)
            whole = _run(path, [], setting.cpu)
            year = year or whole
            rows += [
                _row(f"{count(days)} days", load.name, path, whole),
                _row(f"{count(days)} days, each by itself", load.name, path, _run(path, ["--by", "day"], setting.cpu)),
            ]
        busy = Path(folder, "minutes")
        summing = _write_minutes(busy, setting.pick(_FINE_DAYS, 1))
        rows.append(
            _row(
                f"{setting.pick(_FINE_DAYS, 1)} days, by minutes",
                f"{MAX_PROCESSES} processes, {MAX_CONVERSATIONS} conversations a minute, the most that is kept",
                busy,
                _run(busy, [], setting.cpu),
            )
        )
    assert year is not None
    section.tables.append(
        Table("netdash report --json", ("time", "load", "file", "wall, median", "CPU, median", "peak memory"), rows)
    )
    section.remarks.append(
        f"The recorder sums an hour of that many minutes in {milliseconds(summing)} of CPU, once an hour. "
        "Wall and CPU are of the whole program; a report of up to three days reads minutes, a longer one hours."
    )
    section.verdicts.append(
        Verdict(
            f"report on {count(days)} days, {_TYPICAL.name}",
            f"< {_ALLOWED_SECONDS:.0f} s",
            f"{year.wall_seconds:.2f} s",
            year.wall_seconds < _ALLOWED_SECONDS,
            f"{year.cpu_seconds:.2f} s of CPU, start included",
        )
    )
    return section


def _write_hours(path: Path, load: _Load, days: int) -> None:
    """Sums of hours, and the minutes of two interfaces."""
    limits = {"begin": _BEGIN, "end": _BEGIN + days * _DAY}
    figures = ", ".join(["abs(random()) % 10000000000"] * 4 + ["abs(random()) % 100000000"] * 2)
    with closing(open_for_writing(str(path))) as file:
        connection = file.connection
        _prepare(connection)
        connection.execute(
            "WITH RECURSIVE h(hour) AS (SELECT :begin UNION ALL SELECT hour + 3600 FROM h WHERE hour < :end - 3600) "
            "INSERT INTO hour SELECT hour, 3600.0 FROM h",
            limits,
        )
        connection.execute(
            "INSERT INTO interface_hour SELECT name, hour, 'physical', name = 'eth0', 3600.0, "
            f"{', '.join(['abs(random()) % 10000000000'] * 10)}, 0, 10000000000 FROM hour, interfaces ORDER BY 1, 2"
        )
        # Of so many names, another part each hour.
        for table, keys, amount, names in (
            ("program_hour", "'program' || n, 'user' || (n % 8), '', ''", load.programs, 3 * load.programs),
            ("user_hour", "'user' || n", load.users, 3 * load.users),
            ("remote_hour", "'198.51.' || (n / 250) || '.' || (n % 250)", load.hosts, 5000),
            ("port_hour", "'tcp', n + 1, 'in'", load.ports, 4 * load.ports),
        ):
            process = "NULL, " if table == "program_hour" else ""
            connection.execute(
                f"INSERT INTO {table} SELECT {keys}, hour, {process}{figures} FROM "
                f"(SELECT hour, (number + hour / 3600 * 7) % {names} AS n FROM hour, numbers WHERE number < {amount}) "
                "ORDER BY n, hour"
            )
        _insert_interfaces(connection, limits)
        connection.execute("COMMIT")


def _write_minutes(path: Path, days: int) -> float:
    """Minutes with as many rows as there can be. CPU seconds that an hour of them takes to be summed."""
    limits = {"begin": _BEGIN, "end": _BEGIN + days * _DAY}
    with closing(open_for_writing(str(path))) as file:
        connection = file.connection
        _prepare(connection)
        _insert_interfaces(connection, limits)
        connection.execute(
            "INSERT INTO process (id, pid, start_ticks, started, name, command, user) "
            "SELECT number + 1, number, number, 0, 'program' || (number % 120), '/usr/bin/program', "
            "'user' || (number % 8) FROM numbers"
        )
        figures = ", ".join(["abs(random()) % 100000000"] * 6)
        connection.execute(
            f"INSERT INTO process_minute SELECT minute, 1 + (number + minute / 600) % 1000, {figures}, 1 "
            f"FROM (SELECT DISTINCT minute FROM interface_minute), numbers WHERE number < {MAX_PROCESSES} ORDER BY 1, 2"
        )
        connection.execute(
            "INSERT OR IGNORE INTO remote_minute SELECT minute, 'eth0', 'tcp', "
            "'198.51.' || (abs(random()) % 20) || '.' || (abs(random()) % 250), 443, 'in', 1 + number, "
            f"{figures}, 1 FROM (SELECT DISTINCT minute FROM interface_minute), numbers "
            f"WHERE number < {MAX_CONVERSATIONS} ORDER BY 1, 4"
        )
        sums, before = HourSums(connection), time.process_time()
        sums.finish()
        taken = (time.process_time() - before) / (days * 24)
        connection.execute("COMMIT")
    return taken


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TEMP TABLE numbers (number INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(1000)])
    connection.execute("CREATE TEMP TABLE interfaces AS SELECT 'eth0' AS name UNION ALL SELECT 'lo'")
    connection.execute("BEGIN")


def _insert_interfaces(connection: sqlite3.Connection, limits: dict[str, int]) -> None:
    connection.execute(
        "WITH RECURSIVE m(minute) AS (SELECT :begin UNION ALL SELECT minute + 60 FROM m WHERE minute < :end - 60) "
        "INSERT INTO interface_minute SELECT minute, name, 'physical', name = 'eth0', 60.0, "
        f"{', '.join(['abs(random()) % 1000000000'] * 10)}, 0, 10000000000 FROM m, interfaces ORDER BY 1, 2",
        limits,
    )


def _row(what: str, load: str, path: Path, cost: Cost) -> tuple[str, ...]:
    size = f"{path.stat().st_size / 1e6:,.0f} MB"
    return what, load, size, f"{cost.wall_seconds:.2f} s", f"{cost.cpu_seconds:.2f} s", mebibytes(cost.peak_bytes)


def _run(path: Path, arguments: Sequence[str], cpu: int) -> Cost:
    command = [sys.executable, "-m", "netdash", "report", str(path), "--json", *arguments]
    costs = [run_to_end(command, cpu) for _ in range(_RUNS)]
    return Cost(
        median(cost.wall_seconds for cost in costs),
        median(cost.cpu_seconds for cost in costs),
        max(cost.peak_bytes for cost in costs),
    )
