"""Text output: one golden file a view, and what must hold for any snapshot."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from netdash.model.protocols import TCP
from netdash.model.snapshot import Health, Mode, Snapshot
from netdash.model.tables import UNKNOWN, pack_address
from netdash.model.units import Units
from netdash.options import VIEWS, Options, View
from netdash.sinks.text import TextSink
from netdash.sinks.text_layout import Names
from netdash.sources.resolver import Resolver
from tests.unit.sinks import builders
from tests.unit.sinks.builders import baseline, example, flow
from tests.unit.sinks.hostile_snapshots import snapshots

GOLDEN = Path(__file__).parent / "golden"

FLOWS = np.concatenate([flow(), flow(**builders.UDP6), flow(**builders.TAGGED), flow(**builders.ARP)])


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def text_of(*snapshots: Snapshot, options: Options) -> str:
    """What a whole run prints, without names."""
    stream = io.StringIO()
    sink = TextSink(stream, replace(options, numeric=True), Resolver(enabled=False))
    sink.start(baseline())
    for snapshot in snapshots:
        sink.write(snapshot)
    sink.finish()
    return stream.getvalue()


@pytest.mark.parametrize("view", [None, *VIEWS])
def test_golden(view: View | None) -> None:
    later = example(time=builders.TIME + 1, monotonic_ns=2 * 10**9, flows=FLOWS, health=Health())
    written = text_of(example(flows=FLOWS), later, options=Options(view=view))
    assert written == (GOLDEN / f"{view or 'all'}.txt").read_text("utf-8")


def test_units_are_those_asked_for() -> None:
    text = text_of(example(flows=FLOWS), options=Options(view="flows", units=Units(bits=False, iec=True)))
    assert "rates: B/s, Ki = 1024" in text
    assert "7.16MiB" in text


def test_the_sockets_layer_is_named_and_shows_payload() -> None:
    wire = dict.fromkeys(("rx_bytes", "tx_bytes", "rx_packets", "tx_packets"), UNKNOWN)
    snapshot = example(mode=Mode("sockets", "own"), flows=flow(**wire))
    text = text_of(snapshot, options=Options(view="flows"))
    assert "payload bytes of TCP" in text
    assert "57.6Mb" in text
    assert "60.1Mb" not in text


def test_a_flow_without_a_counter_shows_no_zero() -> None:
    nothing = dict.fromkeys(("rx_bytes", "tx_bytes", "rx_payload", "tx_payload"), UNKNOWN)
    text = text_of(example(mode=Mode("sockets", "own"), flows=flow(**nothing)), options=Options(view="flows"))
    assert "10.0.0.1:41822                           =>          –          –          –          –  tcp eth0" in text


def test_notes_are_printed_when_they_change() -> None:
    snapshots = [
        example(health=Health(notes=("first",))),
        example(health=Health(notes=("first",))),
        example(health=Health(notes=("second",))),
    ]
    text = text_of(*snapshots, options=Options(view="processes"))
    blocks, summary = text.split("Summary")
    assert (blocks.count("note: first"), blocks.count("note: second")) == (1, 1)
    assert (summary.count("note: first"), summary.count("note: second")) == (1, 1)


def test_long_tables_say_how_much_is_left_out() -> None:
    many = np.concatenate([flow(id=number, local_port=number) for number in range(1, 31)])
    processes = tuple(replace(builders.IPERF, pid=number) for number in range(1, 31))
    text = text_of(example(flows=many, processes=processes), options=Options())
    assert text.count("… 10 more flows") == 2
    assert text.count("… 10 more processes") == 2
    assert (text.count("iperf3/20/root"), text.count("iperf3/21/root")) == (2, 0)


def test_a_quiet_interval_says_so() -> None:
    quiet = example(accounting={}, protocols={}, counters={}, processes=(), flows=FLOWS[:0])
    assert "No interface carried a packet." in text_of(quiet, options=Options(view="protocols"))
    assert "Accounting" not in text_of(quiet, options=Options(view="interfaces"))


def test_without_a_start_there_is_no_summary() -> None:
    stream = io.StringIO()
    TextSink(stream, Options(), Resolver(enabled=False)).finish()
    assert stream.getvalue() == ""


def test_a_stream_of_another_encoding_shows_a_question_mark() -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    sink = TextSink(stream, Options(view="interfaces", numeric=True), Resolver(enabled=False))
    sink.start(baseline())
    assert b"tun0: tun, unknown, speed ?\n" in data.getvalue()


def test_names_of_hosts_and_services() -> None:
    names = {pack_address("203.0.113.9"): "db.example.org", pack_address("10.0.0.1"): "h" * 200}
    resolver = Resolver(enabled=True, lookup=names.get)
    known = Names(resolver)
    for address in names:
        while resolver.name(address) is None:
            time.sleep(0.001)
    assert known.endpoint(pack_address("203.0.113.9"), 65_000, TCP) == "db.example.org:65000"
    assert known.port(22, TCP) in ("ssh", "22")
    assert len(known.host(pack_address("10.0.0.1"))) == 60
    resolver.close()


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("10.0.0.1", 53, "10.0.0.1:53"),
        ("fd77::1", 53, "[fd77::1]:53"),
        ("::", 0, "[::]:*"),
    ],
)
def test_numeric_endpoints(address: str, port: int, expected: str) -> None:
    assert Names(None).endpoint(pack_address(address), port, TCP) == expected


@settings(max_examples=30, deadline=None)
@given(snapshots)
def test_hostile_snapshots_print_no_control_characters(snapshot: Snapshot) -> None:
    for view in (None, *VIEWS):
        stream = io.StringIO()
        sink = TextSink(stream, Options(view=view, numeric=True), Resolver(enabled=False))
        sink.start(snapshot)
        sink.write(snapshot)
        sink.finish()
        for character in ("\x1b", "\r", "\x9b", "\u202e", "\x00"):
            assert character not in stream.getvalue()
