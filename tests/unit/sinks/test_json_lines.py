"""JSON Lines: the contract field by field, and every line against the shipped schema."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from netdash import __version__
from netdash.model.snapshot import Mode, Snapshot
from netdash.model.tables import NO_SSTHRESH, UNKNOWN
from netdash.options import VIEWS, View
from netdash.sinks.json_lines import JsonLinesSink
from tests.unit.sinks import builders
from tests.unit.sinks.builders import baseline, example, flow
from tests.unit.sinks.hostile_snapshots import snapshots

SCHEMA = json.loads(files("netdash.sinks").joinpath("schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

Row = dict[str, object]


def written(*snapshots: Snapshot, view: View | None = None) -> list[Row]:
    """The parsed lines of a whole run, each valid by the schema."""
    stream = io.StringIO()
    sink = JsonLinesSink(stream, 1.0, view)
    sink.start(baseline())
    for snapshot in snapshots:
        sink.write(snapshot)
    sink.finish()
    lines = [json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().splitlines()]
    for line in lines:
        VALIDATOR.validate(line)
    return lines


def rows(line: Row, table: str) -> list[Row]:
    return cast(list[Row], line[table])


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_refuses_what_is_wrong() -> None:
    line = written(example())[1]
    assert not VALIDATOR.is_valid({**line, "extra": 1})
    assert not VALIDATOR.is_valid({**line, "interval": "1"})
    assert not VALIDATOR.is_valid({**line, "flows": [{**rows(line, "flows")[0], "rx_bytes": -1}]})


def test_start_line() -> None:
    start = written()[0]
    assert list(start) == ["type", "schema", "version", "time", "host", "interval", "mode", "health", "interfaces"]
    assert (start["type"], start["schema"], start["version"]) == ("start", "netdash/1", __version__)
    assert start["time"] == "2026-11-22T14:03:21.104Z"
    assert [row["name"] for row in rows(start, "interfaces")] == ["eth0", "tun0"]


def test_snapshot_line_has_the_fields_in_order() -> None:
    line = written(example())[1]
    assert list(line) == [
        *("type", "schema", "time", "host", "interval", "mode", "health", "accounting", "interfaces"),
        *("processes", "flows", "protocols", "stations", "counters", "gauges"),
    ]
    assert line["time"] == "2026-11-22T14:03:22.104Z"
    assert line["mode"] == {"flows": "ebpf", "processes": "exact"}
    assert line["accounting"] == {
        "eth0": {
            "counts": "segments",
            "kernel_bytes": 7558600,
            "counted_bytes": 7558600,
            "attributed_bytes": 7548600,
            "forwarded_bytes": 4000,
            "kernel_socket_bytes": 1000,
            "unattributed_bytes": 5000,
        }
    }


def test_interfaces_without_counters_are_null() -> None:
    eth0, tun0 = rows(written(example())[1], "interfaces")
    assert (eth0["rx_bytes"], eth0["tx_bytes"], eth0["speed_bps"]) == (48_600, 7_510_000, 10**10)
    assert (tun0["rx_bytes"], tun0["speed_bps"], tun0["mac"]) == (None, None, None)


def test_only_processes_that_moved_something() -> None:
    (iperf,) = rows(written(example())[1], "processes")
    assert (iperf["pid"], iperf["name"], iperf["start"]) == (123, "iperf3", "2026-11-22T14:02:22.104Z")


def test_a_process_whose_traffic_is_not_known_is_kept() -> None:
    unknown = replace(builders.IDLE, rx_bytes=None, tx_bytes=None)
    snapshot = example(processes=(builders.IDLE, unknown))
    assert [(row["rx_bytes"], row["rx_payload"]) for row in rows(written(snapshot)[1], "processes")] == [(None, None)]


def test_stations() -> None:
    nobody, router, everybody = rows(written(example())[1], "stations")
    assert router == {
        "interface": "eth0",
        "mac": "02:00:00:00:00:0b",
        "rx_bytes": 48_000,
        "tx_bytes": 7_509_000,
        "rx_packets": 700,
        "tx_packets": 4_990,
        "rx_ip_packets": 700,
        "tx_ip_packets": 4_990,
    }
    assert (nobody["mac"], nobody["rx_packets"], nobody["rx_ip_packets"]) == (None, 1, None)
    assert (everybody["mac"], everybody["tx_ip_packets"]) == ("ff:ff:ff:ff:ff:ff", 0)
    summary = written(example(), example(monotonic_ns=2 * 10**9))[-1]
    assert [row["tx_packets"] for row in rows(summary, "stations")] == [0, 9_980, 2]
    assert written(example(mode=Mode("sockets", "own")))[1]["stations"] is None


def test_a_flow() -> None:
    assert rows(written(example(flows=flow()))[1], "flows") == [
        {
            "interface": "eth0",
            "protocol": "tcp",
            "vlan": None,
            "local": "10.0.0.1",
            "local_port": 41822,
            "remote": "203.0.113.9",
            "remote_port": 443,
            "rx_bytes": 48600,
            "tx_bytes": 7510000,
            "rx_packets": 690,
            "tx_packets": 4990,
            "rx_payload": 0,
            "tx_payload": 7200000,
            "pid": 123,
            "process": "iperf3",
            "attribution": "exact",
            "state": "ESTABLISHED",
            "rtt_ms": 1.5,
            "retransmits": 2,
        }
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (builders.UDP6, {"protocol": "udp", "pid": None, "process": None, "attribution": "none", "state": None}),
        (builders.UDP6, {"rtt_ms": None, "retransmits": None, "rx_payload": None, "remote_port": 53_535}),
        (builders.PING, {"protocol": "icmp", "local_port": 77, "remote_port": None, "attribution": "kernel"}),
        (builders.UNREACHABLE, {"protocol": "icmp", "local_port": None, "remote_port": None}),
        (builders.FRAGMENT, {"fragment": True, "local_port": None, "remote_port": None}),
        (builders.OVERFLOW, {"overflow": True, "local": None, "remote": None, "protocol": None}),
        (builders.ARP, {"protocol": "arp", "local": None, "remote": None, "local_port": None}),
        (builders.TAGGED, {"vlan": 42, "interface": None, "attribution": "forwarded"}),
        ({"vlan": 0x1000}, {"vlan": 0}),
        ({"pid": 4711}, {"pid": 4711, "process": None}),
    ],
)
def test_special_flows(fields: dict[str, object], expected: Row) -> None:
    (row,) = rows(written(example(flows=flow(**fields)))[1], "flows")
    assert {name: row[name] for name in expected} == expected
    assert ("overflow" in row, "fragment" in row) == ("overflow" in expected, "fragment" in expected)


def test_an_unspecified_ipv6_address_is_written_as_one() -> None:
    (row,) = rows(written(example(flows=flow(**builders.UDP6 | {"local": "::"})))[1], "flows")
    assert row["local"] == "::"


def test_flows_of_the_sockets_layer_have_payload_only() -> None:
    wire = dict.fromkeys(("rx_bytes", "tx_bytes", "rx_packets", "tx_packets"), UNKNOWN)
    snapshot = example(mode=Mode("sockets", "own"), flows=np.concatenate([flow(**wire), builders.silent(**wire)]))
    (row,) = rows(written(snapshot)[1], "flows")
    assert [row[name] for name in wire] == [None] * 4
    assert (row["rx_payload"], row["tx_payload"]) == (0, 7_200_000)


def test_the_process_of_a_reused_pid_is_the_later_one() -> None:
    later = replace(builders.IPERF, start_ticks=10**6, name="curl")
    (row,) = rows(written(example(flows=flow(), processes=(later, builders.IPERF)))[1], "flows")
    assert row["process"] == "curl"


def test_protocols() -> None:
    line = written(example())[1]
    protocols = cast(dict[str, dict[str, object]], line["protocols"])["eth0"]
    assert protocols["ipv4"] == {"rx_packets": 690, "rx_bytes": 47000, "tx_packets": 4990, "tx_bytes": 7509000}
    assert cast(list[Row], protocols["sizes"])[-1] == {"from": 1501, "to": None, "rx_packets": 0, "tx_packets": 0}
    assert line["counters"] == {"Tcp.RetransSegs": 2, "Udp.RcvbufErrors": 0}
    assert line["gauges"] == {"sockstat.TCP.inuse": 5}


def test_sockets() -> None:
    tcp, udp, listener = rows(written(example(), view="sockets")[1], "sockets")
    assert (tcp["rtt_ms"], tcp["delivery_rate_bps"], tcp["min_rtt_ms"]) == (1.5, 8_000_000, None)
    assert (udp["local"], udp["remote"], udp["cwnd"], udp["rx_payload"], udp["drops"]) == (
        *("0.0.0.0", None, None, None),
        4,
    )
    assert (listener["local"], listener["state"], listener["send_queue"]) == ("::", "LISTEN", 128)
    assert (udp["timer"], udp["rto_ms"], udp["busy_ms"], udp["ssthresh"]) == (None, None, None, None)


def test_the_clock_of_a_socket_and_what_holds_it_back() -> None:
    figures = {"timer": 4, "timer_ms": 1500, "rto_us": 204_000, "pmtu": 1500, "ssthresh": 7, "not_sent_bytes": 9}
    figures |= {"busy_us": 2_000_000, "rwnd_limited_us": 1_500_500, "pacing_rate_bytes": 125, "resent_bytes": 1448}
    sockets = np.concatenate([builders.socket_row(**figures), builders.socket_row(ssthresh=NO_SSTHRESH, timer=9)])
    held, new = rows(written(example(sockets=sockets), view="sockets")[1], "sockets")
    names = ("timer", "timer_ms", "rto_ms", "pmtu", "ssthresh", "not_sent_bytes", "busy_ms", "rwnd_limited_ms")
    assert [held[name] for name in names] == ["persist", 1500, 204.0, 1500, 7, 9, 2000.0, 1500.5]
    assert (held["sndbuf_limited_ms"], held["pacing_rate_bps"], held["resent_bytes"]) == (0.0, 1000, 1448)
    assert (new["ssthresh"], new["pacing_rate_bps"], new["pmtu"]) == (None, None, None)


TABLES: dict[View | None, set[str]] = {
    None: {"accounting", "interfaces", "processes", "flows", "protocols", "stations", "counters", "gauges"},
    "interfaces": {"accounting", "interfaces"},
    "flows": {"flows"},
    "processes": {"processes"},
    "sockets": {"sockets"},
    "protocols": {"protocols", "stations", "counters", "gauges"},
}


@pytest.mark.parametrize("view", [None, *VIEWS])
def test_a_view_limits_the_tables(view: View | None) -> None:
    _, snapshot, summary = written(example(), view=view)
    always = {"type", "schema", "time", "host", "interval", "mode", "health"}
    assert set(snapshot) == set(summary) == always | TABLES[view]


def test_summary_is_the_sum() -> None:
    lines = written(example(), example(time=builders.TIME + 1.5, interval=1.5, flows=flow(tx_bytes=1)))
    assert [line["type"] for line in lines] == ["start", "snapshot", "snapshot", "summary"]
    summary = lines[-1]
    assert summary["interval"] == 2.5
    assert rows(summary, "interfaces")[0]["tx_bytes"] == 2 * 7_510_000
    assert cast(Row, summary["counters"])["Tcp.RetransSegs"] == 4
    by_ports = {(row["local_port"], row["vlan"], row["protocol"]): row for row in rows(summary, "flows")}
    assert by_ports[41822, None, "tcp"]["tx_bytes"] == 7_510_001


def test_a_flow_that_ended_early_is_in_the_summary() -> None:
    later = [example(flows=flow(id=100 + i)) for i in range(5)]
    summary = written(example(flows=flow(id=1, tx_bytes=99)), *later)[-1]
    assert sorted(cast(int, row["tx_bytes"]) for row in rows(summary, "flows")) == [99, *[7_510_000] * 5]


def test_a_run_without_an_interval_has_an_empty_summary() -> None:
    start, summary = written()
    assert (start["type"], summary["type"], summary["interval"], summary["flows"]) == ("start", "summary", 0.0, [])


def test_without_a_start_there_is_no_summary() -> None:
    stream = io.StringIO()
    JsonLinesSink(stream, 1.0).finish()
    assert stream.getvalue() == ""


@settings(max_examples=40, deadline=None)
@given(snapshots)
def test_hostile_snapshots_give_valid_lines(snapshot: Snapshot) -> None:
    for view in (None, "sockets"):
        stream = io.StringIO()
        sink = JsonLinesSink(stream, 1.0, view)
        sink.start(snapshot)
        sink.write(snapshot)
        for text in stream.getvalue().split("\n")[:-1]:
            VALIDATOR.validate(json.loads(text, parse_constant=pytest.fail))
            assert "\x1b" not in text
            assert "\u202e" not in text


def test_output_is_utf8_in_any_locale() -> None:
    code = (
        "import sys; from tests.unit.sinks.builders import *; from netdash.sinks.json_lines import JsonLinesSink\n"
        "s = JsonLinesSink(sys.stdout, 1.0); s.start(baseline()); s.write(example(host='höst'))"
    )
    environment = {"PYTHONIOENCODING": "latin-1", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout.split(b"\n")[1])["host"] == "höst"
