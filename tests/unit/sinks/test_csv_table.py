"""CSV output, read back with the csv module."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given, settings

from netdash.model.snapshot import Snapshot
from netdash.options import VIEWS, View
from netdash.sinks.csv_table import CsvSink
from tests.unit.sinks import builders
from tests.unit.sinks.builders import baseline, example
from tests.unit.sinks.hostile_snapshots import snapshots

TIME = "2026-11-22T14:03:22.104Z"


def written(*snapshots: Snapshot, view: View) -> str:
    stream = io.StringIO()
    sink = CsvSink(stream, view)
    sink.start(baseline())
    for snapshot in snapshots:
        sink.write(snapshot)
    sink.finish()
    return stream.getvalue()


def read_back(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return list(reader)


@pytest.mark.parametrize("view", VIEWS)
def test_one_header_and_the_same_number_of_fields_in_every_line(view: View) -> None:
    text = written(example(), example(), view=view)
    header, *lines = csv.reader(io.StringIO(text, newline=""))
    assert header[:2] == ["time", "interval"]
    assert len(set(header)) == len(header)
    assert lines
    assert {len(line) for line in lines} == {len(header)}
    assert all(line[:2] == [TIME, "1.0"] for line in lines)


def test_interfaces() -> None:
    eth0, tun0 = read_back(written(example(), view="interfaces"))
    assert (eth0["name"], eth0["rx_bytes"], eth0["addresses"]) == ("eth0", "48600", "10.0.0.1/24 fd77::1/64")
    assert (tun0["rx_bytes"], tun0["rx_errors"], tun0["speed_bps"]) == ("", "0", "")


def test_flows() -> None:
    rows = read_back(written(example(), view="flows"))
    assert len(rows) == len(builders.FLOWS) - 1
    assert (rows[0]["remote"], rows[0]["remote_port"], rows[0]["process"]) == ("203.0.113.9", "443", "iperf3")
    assert [row["overflow"] for row in rows].count("true") == 1
    assert [row["fragment"] for row in rows].count("true") == 1


def test_protocols_have_a_row_each() -> None:
    rows = read_back(written(example(), view="protocols"))
    assert [row["protocol"] for row in rows][:4] == ["ipv4", "ipv6", "tcp", "udp"]
    assert (rows[0]["interface"], rows[0]["rx_packets"], rows[0]["tx_bytes"]) == ("eth0", "690", "7509000")


def test_quoting() -> None:
    command = "sh -c \"a, b\"; echo 'x'"
    (row,) = read_back(written(example(processes=(replace(builders.IPERF, command=command),)), view="processes"))
    assert (row["command"], row["exited"], row["container"]) == (command, "false", "")


@settings(max_examples=30, deadline=None)
@given(snapshots)
def test_hostile_snapshots_are_read_back(snapshot: Snapshot) -> None:
    for view in VIEWS:
        text = written(snapshot, view=view)
        for row in read_back(text):
            assert None not in row
            assert None not in row.values()
        assert "\x1b" not in text
