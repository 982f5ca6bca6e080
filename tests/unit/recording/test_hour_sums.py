"""The tables of hours hold what their minutes hold, whatever the clock and the recorder do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from netdash.model.snapshot import Snapshot
from netdash.recording import retention
from netdash.recording.dimensions import DIMENSIONS
from netdash.recording.retention import Limits
from tests.unit.recording.traffic import HOUR, MIDNIGHT, Cells, many_hosts, minutes, record, snapshots


def table(path: Path, query: str) -> list[tuple[object, ...]]:
    """What an SQLite client is told."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def by_name(path: Path, query: str) -> dict[object, object]:
    """The second column by the first."""
    return {row[0]: row[1] for row in table(path, query)}


def in_file(path: Path) -> dict[str, Cells]:
    """The tables of hours, as `expected` has them."""
    found: dict[str, Cells] = {}
    for dimension in DIMENSIONS:
        figures = [name for name in dimension.columns if name.startswith(("rx_", "tx_")) and "pe" not in name]
        figures = [name for name in figures if not name.endswith(("errors", "dropped"))]
        count = len(dimension.keys) + 1
        rows = table(path, f"SELECT hour, {', '.join((*dimension.keys, *figures))} FROM {dimension.table}")
        found[dimension.name] = {
            row[:count]: {name: _figure(value) for name, value in zip(figures, row[count:], strict=True)}
            for row in rows
        }
    return found


def _figure(value: object) -> int | None:
    assert value is None or isinstance(value, int)
    return value


def expected(written: Iterable[Snapshot]) -> dict[str, Cells]:
    """Sums of hours of `written`."""
    hours: dict[str, Cells] = {}
    for name, cells in minutes(written).cells.items():
        hours[name] = {}
        for (minute, *key), figures in cells.items():
            assert isinstance(minute, int)
            sums = hours[name].setdefault((minute // HOUR * HOUR, *key), dict.fromkeys(figures, 0))
            for figure, value in figures.items():
                before = sums[figure]
                sums[figure] = None if before is None or value is None else before + value
    return hours


def test_hours_are_the_sums_of_their_minutes(tmp_path: Path) -> None:
    written = list(snapshots(2.4))
    record(tmp_path / "a", written)
    assert in_file(tmp_path / "a") == expected(written)
    seconds = table(tmp_path / "a", "SELECT hour, seconds FROM hour ORDER BY 1")
    # An interval that ends at a full hour belongs to the minute that begins then.
    assert seconds == [(MIDNIGHT + HOUR * n, length) for n, length in enumerate((3580.0, 3600.0, 1460.0))]


def test_peaks_are_of_intervals_or_of_minutes(tmp_path: Path) -> None:
    written = list(snapshots(0.3))
    record(tmp_path / "a", written)
    rates = [i.rx_bytes / s.interval for s in written for i in s.interfaces if i.name == "eth0" and i.rx_bytes]
    peaks = by_name(tmp_path / "a", "SELECT interface, rx_peak FROM interface_hour")
    assert peaks["eth0"] == round(max(rates))
    by_minute = minutes(written)
    means = [
        sums["rx_bytes"] / by_minute.seconds[minute]
        for (minute, *key), sums in by_minute.cells["port"].items()
        if key == ["tcp", 443, "out"] and isinstance(minute, int) and sums["rx_bytes"] is not None
    ]
    query = "SELECT rx_peak FROM port_hour WHERE protocol = 'tcp' AND port = 443"
    assert table(tmp_path / "a", query) == [(round(max(means)),)]


def test_an_hour_under_way_is_not_there_yet(tmp_path: Path) -> None:
    path, written = tmp_path / "a", list(snapshots(1.5))
    record(path, written, finish=False)
    assert table(path, "SELECT hour FROM hour") == [(MIDNIGHT,)]
    # After a crash the next run brings it up to date.
    later = list(snapshots(0.1, start=MIDNIGHT + 5 * HOUR))
    record(path, later)
    assert in_file(path) == expected([*written, *later])


def test_a_run_goes_on_in_the_hour_in_which_one_ended(tmp_path: Path) -> None:
    path = tmp_path / "a"
    first, second = list(snapshots(0.2)), list(snapshots(0.2, start=MIDNIGHT + 1800, seed=2))
    record(path, first)
    assert in_file(path) == expected(first)
    record(path, second[:10], finish=False)
    assert table(path, "SELECT hour FROM hour") == []
    record(path, second[10:])
    assert in_file(path) == expected([*first, *second])


def test_the_clock_jumps_back_into_an_hour_that_was_summed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    first, back = list(snapshots(2.1)), list(snapshots(0.2, start=MIDNIGHT + 600, seed=3))
    later = list(snapshots(0.1, start=MIDNIGHT + 3 * HOUR, seed=4))
    written = [*first, *back, *later]
    record(path, [replace(s, monotonic_ns=number * 10**10) for number, s in enumerate(written)])
    assert in_file(path) == expected(written)


def test_a_recording_from_before_there_were_hours_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "a"
    first, second = list(snapshots(1.2)), list(snapshots(0.1, start=MIDNIGHT + 2 * HOUR))
    record(path, first)
    with closing(sqlite3.connect(path)) as connection:
        for name in ("hour", *(dimension.table for dimension in DIMENSIONS)):
            connection.execute(f"DROP TABLE {name}")
        connection.commit()
    record(path, second)
    assert in_file(path) == expected([*first, *second])


def test_the_less_busy_of_an_hour_are_in_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, many_hosts())
    rows = by_name(path, f"SELECT remote, rx_bytes FROM remote_hour WHERE hour = {MIDNIGHT}")
    assert len(rows) == 101
    assert rows[""] == sum(1000 * host for host in range(1, 21))
    assert rows["198.51.100.21"] == 21_000


def test_hours_stay_when_the_minutes_have_to_go(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(tmp_path / "whole", snapshots(30.0, step=300.0))
    record(path, snapshots(30.0, step=300.0), Limits(max_bytes=(tmp_path / "whole").stat().st_size * 4 // 5))
    assert table(path, "SELECT min(minute) FROM interface_minute") > [(MIDNIGHT + 12 * HOUR,)]
    assert table(path, "SELECT count(*) FROM hour") == [(31,)]
    assert table(path, "SELECT count(*) > 0 FROM moment") == [(1,)]


def test_hours_go_when_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, snapshots(60.0, step=600.0), Limits(max_bytes=300_000))
    hours = [hour for (hour,) in table(path, "SELECT hour FROM hour ORDER BY 1")]
    assert len(hours) < 60
    assert hours[-1:] == [MIDNIGHT + 60 * HOUR]


def test_old_hours_go_with_their_minutes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    late = retention.MINUTES_MAX_AGE_SECONDS + 2 * 86_400
    record(path, snapshots(0.1))
    record(path, snapshots(0.1, start=MIDNIGHT + late))
    assert table(path, "SELECT hour FROM hour") == [(MIDNIGHT + late,)]
    assert table(path, "SELECT DISTINCT hour FROM remote_hour") == [(MIDNIGHT + late,)]
