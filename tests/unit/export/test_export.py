"""Exported tables hold what the recording's own tables hold, in each format."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from netdash.errors import NetdashError
from netdash.export.run import Format, export
from netdash.export.tables import FLOWS, INTERFACES, INTERVALS, PORT_HOURS, PROCESSES, TABLES, ExportTable
from netdash.recording.dimensions import DIMENSIONS
from netdash.recording.query import TableQuery
from tests.unit.recording.traffic import MIDNIGHT, record, snapshots

Cell = str | int | float | bool | datetime | None

RAW = {
    "interfaces": "SELECT minute, * FROM interface_minute",
    "processes": "SELECT minute, pid, name, * FROM process_minute m JOIN process p ON p.id = m.process",
    "remotes": "SELECT minute, * FROM remote_minute m JOIN process p ON p.id = m.process",
    "flows": "SELECT * FROM flow f JOIN process p ON p.id = f.process",
    "intervals": "SELECT * FROM moment WHERE interval > 0",
    "runs": "SELECT * FROM run",
    **{f"{each.name}-hours": f"SELECT hour, * FROM {each.table}" for each in DIMENSIONS},
}
"""Rows as the file has them; columns by their names there."""

OTHER_NAMES = {"process": "name"}
TIMES = {"time": ("minute", "hour", "time")}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "web.netdash"
    record(path, snapshots(1.2, seed=12, step=40.0))
    return path


def raw_rows(path: Path, table: ExportTable) -> list[list[Cell]]:
    """What an export has to hold, read by another way."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(RAW[table.name]).fetchall()
    return [[raw_cell(row, column.name, column.kind) for column in table.columns] for row in rows]


def raw_cell(row: sqlite3.Row, name: str, kind: str) -> Cell:
    names = [n for n in TIMES.get(name, (OTHER_NAMES.get(name, name),)) if n in row.keys()]  # noqa: SIM118
    value: Cell = row[names[0]]
    if value is None or value == "" or (name == "port" and value == 0):
        return None
    if kind == "time":
        assert isinstance(value, (int, float))
        # To milliseconds: floats as they are stored, cut as ISO 8601 writes them.
        return datetime.fromtimestamp(value, UTC)
    return bool(value) if kind == "truth" else value


def exported(path: Path, table: ExportTable, form: Format, target: Path, *limits: float) -> int:
    with TableQuery(str(path)) as query:
        begin, end = limits or (None, None)
        return export(query, table, (begin, end), form, str(target), lambda fraction: None)


def iso(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def near(ours: Sequence[Sequence[Cell]], theirs: Sequence[Sequence[Cell]]) -> bool:
    """Equal; times to the millisecond."""
    assert len(ours) == len(theirs)
    for row, other in zip(ours, theirs, strict=True):
        for cell, expected in zip(row, other, strict=True):
            if isinstance(expected, datetime):
                assert isinstance(cell, datetime)
                assert abs((cell - expected).total_seconds()) <= 0.001
            else:
                assert cell == expected
    return True


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_json_lines(path: Path, tmp_path: Path, table: ExportTable) -> None:
    target = tmp_path / "out"
    assert exported(path, table, "jsonl", target) == len(raw_rows(path, table)) > 0
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert all(list(each) == [column.name for column in table.columns] for each in found)
    times = {column.name for column in table.columns if column.kind == "time"}
    rows = [[iso(cell) if name in times else cell for name, cell in each.items()] for each in found]
    assert near(rows, raw_rows(path, table))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_parquet(path: Path, tmp_path: Path, table: ExportTable) -> None:
    target = tmp_path / "out"
    exported(path, table, "parquet", target)
    read = import_module("pyarrow.parquet").read_table(target)
    assert read.column_names == [column.name for column in table.columns]
    types = {"text": "string", "whole": "int64", "real": "double", "truth": "bool", "time": "timestamp[ms, tz=UTC]"}
    assert [str(kind) for kind in read.schema.types] == [types[column.kind] for column in table.columns]
    assert near([list(row.values()) for row in read.to_pylist()], raw_rows(path, table))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_csv(path: Path, tmp_path: Path, table: ExportTable) -> None:
    target = tmp_path / "out"
    exported(path, table, "csv", target)
    with target.open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == [column.name for column in table.columns]
    rows = [[csv_cell(cell, column.kind) for cell, column in zip(line, table.columns, strict=True)] for line in lines]
    assert near(rows, raw_rows(path, table))


def csv_cell(cell: str, kind: str) -> Cell:
    if not cell:
        return None
    match kind:
        case "whole":
            return int(cell)
        case "real":
            return float(cell)
        case "truth":
            return {"true": True, "false": False}[cell]
        case "time":
            return datetime.fromisoformat(cell)
        case _:
            return cell


def objects(path: Path, table: ExportTable, target: Path, *limits: float) -> list[dict[str, Cell]]:
    exported(path, table, "jsonl", target, *limits)
    return [json.loads(line) for line in target.read_text().splitlines()]


def seconds(row: dict[str, Cell], name: str = "time") -> float:
    return datetime.fromisoformat(str(row[name])).timestamp()


@pytest.mark.parametrize("table", [INTERFACES, PROCESSES, PORT_HOURS, INTERVALS, FLOWS], ids=lambda table: table.name)
def test_limits_take_what_lies_in_them_in_part(path: Path, tmp_path: Path, table: ExportTable) -> None:
    begin, end = MIDNIGHT + 630, MIDNIGHT + 1_230
    some, every = objects(path, table, tmp_path / "some", begin, end), objects(path, table, tmp_path / "all")
    if table is FLOWS:
        expected = [row for row in every if seconds(row, "last") > begin and seconds(row, "first") < end]
    elif table is INTERVALS:
        expected = [row for row in every if begin < seconds(row) <= end]
    else:
        length = 3600 if table is PORT_HOURS else 60
        expected = [row for row in every if begin - length < seconds(row) < end]
    assert some == expected
    assert 0 < len(some) < len(every)


def test_what_is_of_another_kind_is_not_known(path: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(hostile)) as connection:
        connection.executescript(
            "UPDATE interface_minute SET rx_bytes = 'many', tx_bytes = 1e300, seconds = 'long', headline = x'00',"
            "kind = char(27) || '[2J', rx_peak = -9e999, rx_errors = 1.5, tx_errors = 9223372036854775807;"
            "UPDATE process SET started = 1e300, pid = x'ff', name = x'c3'"
        )
    for table in (INTERFACES, PROCESSES):
        exported(hostile, table, "csv", tmp_path / "csv")
        exported(hostile, table, "parquet", tmp_path / "parquet")
    first = objects(hostile, INTERFACES, tmp_path / "jsonl")[0]
    assert (first["rx_bytes"], first["seconds"], first["headline"], first["tx_bytes"], first["rx_peak"]) == (None,) * 5
    assert (first["kind"], first["rx_errors"], first["tx_errors"]) == ("·[2J", 2, 2**63 - 1)


class DiskFullError(Exception):
    """Anything that goes wrong on the way."""


def test_a_failure_leaves_what_was_there(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("before")
    target.chmod(0o640)

    def fail(fraction: float) -> None:
        raise DiskFullError

    with TableQuery(str(path)) as query, pytest.raises(DiskFullError):
        export(query, FLOWS, (None, None), "csv", str(target), fail)
    assert target.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]
    exported(path, FLOWS, "csv", target)
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_text().startswith("first,last,")


def test_a_new_file_is_of_its_owner_alone(path: Path, tmp_path: Path) -> None:
    exported(path, FLOWS, "csv", tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/file")
    exported(path, FLOWS, "csv", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_text().startswith("first,last,")


@pytest.mark.parametrize("name", ["web.netdash", "link", "hard link"])
def test_the_recording_is_not_overwritten(path: Path, name: str) -> None:
    target = path.with_name(name)
    if name == "link":
        target.symlink_to(path)
    elif name == "hard link":
        target.hardlink_to(path)
    before = path.read_bytes()
    with pytest.raises(NetdashError, match="is the recording itself"):
        exported(path, FLOWS, "csv", target)
    assert path.read_bytes() == before
