"""`--filter` in headless output: rows that match, the rest counted, totals whole."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import jsonschema
import pytest

from netdash.commands.program_options import parse_arguments
from netdash.errors import UsageError
from netdash.model.filter import parse_filter
from netdash.model.snapshot import Accounting, Mode, Snapshot
from netdash.options import Options
from netdash.sinks.csv_table import CsvSink
from netdash.sinks.json_lines import JsonLinesSink
from netdash.sinks.row_filter import RowFilter
from netdash.sinks.text import TextSink
from netdash.sources.resolver import Resolver
from tests.unit.model.filter.tables import FLOWS, INTERFACES, PROCESSES, SOCKETS
from tests.unit.sinks.test_json_lines import SCHEMA

ACCOUNTING = {"eth0": Accounting("segments", 1_000_000, 1_000_000, 5, 0, 0, 0)}
SNAPSHOT = Snapshot(
    time=1_700_000_000.0,
    monotonic_ns=2_000_000_000,
    interval=2.0,
    host="host",
    mode=Mode("ebpf", "exact"),
    accounting=ACCOUNTING,
    interfaces=INTERFACES,
    processes=PROCESSES,
    flows=FLOWS,
    sockets=SOCKETS,
)


def _rows(text: str) -> RowFilter:
    return RowFilter(parse_filter(text), bits=True, resolver=Resolver(enabled=False))


def test_json_lines_hold_what_matches_and_say_what_is_left_out() -> None:
    stream = io.StringIO()
    sink = JsonLinesSink(stream, 2.0, rows=_rows("proc:nginx"))
    sink.start(replace(SNAPSHOT, interval=0.0))
    sink.write(SNAPSHOT)
    sink.finish()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    for line in lines[1:]:
        assert [flow["process"] for flow in line["flows"]] == ["nginx"]
        assert [process["name"] for process in line["processes"]] == ["nginx"]
        assert line["filter"] == {
            "expression": "proc:nginx",
            "hidden_flows": 3,
            "hidden_processes": 2,
            "hidden_sockets": 2,
        }
        assert len(line["interfaces"]) == 3
        assert line["accounting"]["eth0"]["counted_bytes"] == 1_000_000


def test_a_summary_is_filtered_by_its_own_figures() -> None:
    """A flow that is slow in one interval and fast in another is shown whole or not at all."""
    stream = io.StringIO()
    sink = JsonLinesSink(stream, 2.0, "flows", _rows("total>3MB"))
    slow = SNAPSHOT.flows.copy()
    slow["rx_bytes"] //= 2
    sink.start(replace(SNAPSHOT, interval=0.0))
    sink.write(replace(SNAPSHOT, flows=slow))
    sink.write(replace(SNAPSHOT, flows=slow))
    sink.finish()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [len(line["flows"]) for line in lines[1:]] == [0, 0, 1]
    assert lines[-1]["flows"][0]["rx_bytes"] == 5_000_000


def test_csv_holds_what_matches() -> None:
    stream = io.StringIO()
    sink = CsvSink(stream, "sockets", _rows("state:listen"))
    sink.start(SNAPSHOT)
    sink.write(SNAPSHOT)
    assert [line.split(",")[5] for line in stream.getvalue().splitlines()] == ["local_port", "443"]


def test_text_holds_what_matches_and_says_so() -> None:
    stream = io.StringIO()
    sink = TextSink(stream, Options(numeric=True), Resolver(enabled=False), _rows("port:80"))
    sink.start(replace(SNAPSHOT, interval=0.0))
    sink.write(SNAPSHOT)
    text = stream.getvalue()
    assert "note: filter 'port:80'" in text
    assert "filter: port:80  hidden: 3 flows, 2 processes, 2 sockets" in text
    assert "10.0.0.10:80" in text
    assert "nginx" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "-f", "a prt:80"], "--filter: unknown word 'prt:' at 3; do you mean port:"),
        (["-t", "--view", "interfaces", "-f", "iface:eth0"], "does not apply to --view interfaces"),
        (["-n", "-f", "host:example.org"], "-n looks up none"),
        (["--filter", ""], "the filter is empty"),
    ],
)
def test_wrong_filters_are_usage_errors(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_arguments(arguments)
