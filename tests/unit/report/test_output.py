"""What a report looks like: golden files for the text, lines for sar, the schema for JSON."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from netdash.model.snapshot import Snapshot
from netdash.model.units import Units
from netdash.recording.query import TableQuery
from netdash.report.build import Report, build
from netdash.report.fitting import Column, fitted
from netdash.report.json_document import report_json
from netdash.report.sar import sar_lines
from netdash.report.span import Wanted, find_span
from netdash.report.text import report_text
from tests.unit.recording.traffic import HOUR, MIDNIGHT, many_hosts, minutes, record, snapshots

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads(files("netdash.report").joinpath("schema.json").read_text("utf-8"))


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="module")
def traffic() -> list[Snapshot]:
    """An hour and a half, with half an hour missing."""
    return [*snapshots(0.7, seed=8), *snapshots(0.3, start=MIDNIGHT + 4320, seed=9)]


@pytest.fixture(scope="module")
def path(traffic: list[Snapshot], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "web.netdash"
    record(path, traffic)
    return path


def made(path: Path, wanted: Wanted | None = None, top: int = 4) -> Report:
    """The report; of a file by a name that is the same in every run."""
    with TableQuery(str(path)) as query:
        return replace(build(query, find_span(query, wanted or Wanted()), top), path=path.name)


@pytest.mark.parametrize(
    ("name", "width", "wanted", "units"),
    [
        ("wide", None, Wanted(), Units()),
        ("80", 80, Wanted(), Units()),
        ("50-bytes-iec", 50, Wanted(), Units(bits=False, iec=True)),
        ("by-hour-120", 120, Wanted(every="hour"), Units()),
        ("hours-100", 100, Wanted(every="hour", step="hour"), Units()),
    ],
)
def test_text(path: Path, name: str, width: int | None, wanted: Wanted, units: Units) -> None:
    lines = list(report_text(made(path, wanted), units, width))
    assert "\n".join(lines) + "\n" == (GOLDEN / f"{name}.txt").read_text("utf-8")
    assert width is None or max(map(len, lines)) <= width


def test_what_is_not_kept_by_name_is_told(tmp_path: Path) -> None:
    record(tmp_path / "a", many_hosts())
    lines = list(report_text(made(tmp_path / "a", Wanted(step="hour")), Units(), None))
    (line,) = [line for line in lines if line.startswith("less busy ")]
    assert line.split()[2] == "210kB"
    assert any("busiest 200 conversations of its minute or busiest 100 of its hour" in line for line in lines)


def test_columns_that_matter_less_go_first_and_names_are_cut_last() -> None:
    columns = [
        Column("name", ["a-rather-long-name", "b"], left=True),
        Column("figure", ["1", "22"]),
        Column("seldom", ["x", "y"], goes=2),
        Column("rarely", ["x", "y"], goes=3),
    ]
    assert fitted(columns, None)[0].split() == ["name", "figure", "seldom", "rarely"]
    assert fitted(columns, 35)[0].split() == ["name", "figure", "seldom"]
    assert fitted(columns, 30)[0].split() == ["name", "figure"]
    assert fitted(columns, 18) == ["name        figure", "a-rather-l…      1", "b               22"]


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(every="hour"), Wanted(every="day", step="hour")])
def test_json_is_valid_and_says_what_the_report_holds(path: Path, traffic: list[Snapshot], wanted: Wanted) -> None:
    written = report_json(made(path, wanted))
    assert written.endswith(b"\n")
    document = json.loads(written)
    Draft202012Validator(SCHEMA).validate(document)
    received = [
        row["rx"]["bytes"]
        for period in document["periods"]
        for row in period["interfaces"]["rows"]
        if row["interface"] == "eth0"
    ]
    cells = minutes(traffic).cells["interface"]
    assert sum(received) == sum(cell["rx_bytes"] or 0 for (_, name), cell in cells.items() if name == "eth0")
    processes = {row["name"]: row for row in document["periods"][0]["processes"]["rows"]}
    assert processes["nginx"]["container"] == "web"
    assert processes["nginx"]["pid"] is None
    assert processes["postgres"]["rx"]["bytes"] is None
    assert processes["postgres"]["bytes"] == "payload"


def test_the_schema_refuses_what_is_wrong(path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(report_json(made(path)))
    document["periods"][0]["ports"]["rows"][0]["rx"]["bytes"] = -1
    assert list(Draft202012Validator(SCHEMA).iter_errors(document))


def test_a_single_process_has_its_pid(tmp_path: Path, traffic: list[Snapshot]) -> None:
    only = [replace(each, processes=tuple(p for p in each.processes if p.pid == 103)) for each in traffic[:40]]
    record(tmp_path / "a", only)
    (row,) = json.loads(report_json(made(tmp_path / "a")))["periods"][0]["processes"]["rows"]
    assert (row["pid"], row["command"]) == (103, "/usr/sbin/postgres -n 103")


SAR_FIGURES = {"rx_packets": 1, "tx_packets": 1, "rx_bytes": 1024, "tx_bytes": 1024}
"""Columns of sar and their units."""


def sar(path: Path, wanted: Wanted) -> list[str]:
    with TableQuery(str(path)) as query:
        return list(sar_lines(query, find_span(query, wanted)))


def test_sar_has_its_columns_and_figures(path: Path, traffic: list[Snapshot]) -> None:
    lines = sar(path, Wanted())
    assert lines[0] == "netdash 0.1.0 (vm) \t2026-11-22"
    # As sar 12.6 prints it: label in 11 columns, IFACE and figures right-aligned in 9.
    assert lines[2] == (
        "00:00:00        IFACE   rxpck/s   txpck/s    rxkB/s    txkB/s   rxcmp/s   txcmp/s  rxmcst/s   %ifutil"
    )
    reference = minutes(traffic)
    for minute, name, line in ((0, "docker0", 3), (0, "eth0", 4), (1, "eth0", 8)):
        begin = int(MIDNIGHT) + 60 * minute
        sums, seconds = reference.cells["interface"][begin, name], reference.interface_seconds[begin, name]
        fields = lines[line].split()
        assert fields[:2] == [f"00:0{minute + 1}:00", name]
        for field, (figure, unit) in enumerate(SAR_FIGURES.items(), start=2):
            assert fields[field] == f"{(sums[figure] or 0) / seconds / unit:.2f}"
        assert fields[6:9] == ["–", "–", f"{(sums['rx_multicast'] or 0) / seconds:.2f}"]
        busier = max(sums["rx_bytes"] or 0, sums["tx_bytes"] or 0)
        assert fields[9] == (f"{busier * 8 / seconds / 10**9 * 100:.2f}" if name == "eth0" else "–")
    averages = [line.split() for line in lines if line.startswith("Average:")]
    assert [fields[1] for fields in averages] == ["IFACE", "docker0", "eth0"]
    every = [sums["rx_bytes"] or 0 for (_, name), sums in reference.cells["interface"].items() if name == "docker0"]
    seconds = sum(length for (_, name), length in reference.interface_seconds.items() if name == "docker0")
    assert averages[1][4] == f"{sum(every) / seconds / 1024:.2f}"


def test_sar_tells_the_use_of_a_link_only_where_its_speed_was_always_the_same(tmp_path: Path) -> None:
    written = list(snapshots(0.1))
    slower = [
        replace(each, interfaces=tuple(replace(i, speed_bps=10**8) for i in each.interfaces)) for each in written[9:]
    ]
    record(tmp_path / "a", [*written[:9], *slower])
    shares = [line.split()[9] for line in sar(tmp_path / "a", Wanted()) if line.split()[1:2] == ["eth0"]]
    assert len(shares) == 8
    assert shares[-1] == "–"
    assert "–" not in shares[:-1]


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(every="hour")])
def test_sar_of_a_recording_from_before_there_were_all_columns(tmp_path: Path, wanted: Wanted) -> None:
    path = tmp_path / "a"
    record(path, snapshots(1.1))
    complete = sar(path, wanted)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP VIEW interfaces")
        for table in ("interface_minute", "interface_hour"):
            for name in ("rx_multicast", "speed_bps"):
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.commit()
    without = [[*line.split()[:8], "–", "–"] for line in complete if len(line.split()) == 10 and "IFACE" not in line]
    assert [line.split() for line in sar(path, wanted) if len(line.split()) == 10 and "IFACE" not in line] == without
    assert without
    record(path, snapshots(0.5, start=MIDNIGHT + 2 * HOUR))
    assert sar(path, Wanted(begin="02:00"))[3].split()[8:] != ["–", "–"]


def test_sar_by_hour_and_day(path: Path) -> None:
    hours = [line.split()[:2] for line in sar(path, Wanted(every="hour")) if line[:1].isdigit()]
    assert hours == [
        *(["00:00:00", "IFACE"], ["01:00:00", "docker0"], ["01:00:00", "eth0"]),
        *(["01:00:00", "IFACE"], ["01:31:00", "docker0"], ["01:31:00", "eth0"]),
    ]
    days = [line.split()[:2] for line in sar(path, Wanted(every="day")) if line[:1].isdigit()]
    assert days == [["2026-11-22", "IFACE"], ["2026-11-22", "docker0"], ["2026-11-22", "eth0"]]


def test_sar_tells_the_date_anew_each_day(tmp_path: Path) -> None:
    record(tmp_path / "a", snapshots(2.0, start=MIDNIGHT - HOUR, step=60.0))
    assert [line for line in sar(tmp_path / "a", Wanted()) if line.startswith("netdash")] == [
        "netdash 0.1.0 (vm) \t2026-11-21",
        "netdash 0.1.0 (vm) \t2026-11-22",
    ]
