"""Metrics: counters that never go down, sums that are true, and no more series than there may be."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.model.snapshot import Process, Snapshot
from netdash.sinks.metrics import FAMILIES, Metrics
from netdash.sinks.name_slots import OTHER, NameSlots
from tests.unit.sinks.builders import ETH0, IPERF, PROTOCOLS, TIME, TUN0, baseline, example
from tests.unit.sinks.hostile_snapshots import snapshots

Value = TypeVar("Value")


def after(*added: Snapshot) -> dict[str, dict[tuple[str, ...], float]]:
    metrics = Metrics()
    for snapshot in added:
        metrics.add(snapshot)
    return metrics.read()


def process(name: str, moved: int, **changes: object) -> Process:
    values = replace(IPERF, name=name, rx_bytes=moved, tx_bytes=0, rx_payload=moved, tx_payload=0)
    return replace(values, **changes)  # type: ignore[arg-type]  # fields by name, checked when they are used


def test_intervals_are_added_up() -> None:
    values = after(baseline(), example(), example(time=TIME + 1, interval=2.0))
    assert values["netdash_interface_receive_bytes"][("eth0",)] == 2 * 48_600
    assert values["netdash_interface_transmit_bytes"][("eth0",)] == 2 * 7_510_000
    assert values["netdash_interface_receive_dropped"][("eth0",)] == 4
    assert values["netdash_interface_up"] == {("eth0",): 1.0, ("tun0",): 1.0}
    assert values["netdash_interface_speed_bytes"] == {("eth0",): 1.25e9}
    assert values["netdash_process_transmit_payload_bytes"] == {("iperf3",): 2 * 7_200_000}
    assert values["netdash_protocol_transmit_bytes"][("eth0", "tcp")] == 2 * PROTOCOLS.tcp.tx_bytes
    assert values["netdash_kernel_events"][("Tcp.RetransSegs",)] == 4
    assert values["netdash_kernel_gauge"] == {("sockstat.TCP.inuse",): 5.0}
    assert values["netdash_observed_seconds"] == {(): 3.0}
    assert values["netdash_lost_packets"] == {(): 6}
    assert values["netdash_last_interval_timestamp_seconds"] == {(): TIME + 1}


def test_what_is_not_known_has_no_series() -> None:
    values = after(example(processes=(process("db", 5, rx_bytes=None, tx_bytes=None),)))
    assert ("tun0",) not in values["netdash_interface_receive_bytes"]
    assert values["netdash_process_receive_bytes"] == {}
    assert values["netdash_process_receive_payload_bytes"] == {("db",): 5}


def test_processes_of_one_name_are_one_series() -> None:
    workers = tuple(process("worker", 10, pid=pid, start_ticks=pid) for pid in range(50))
    assert after(example(processes=workers))["netdash_process_receive_bytes"] == {("worker",): 500}


def test_restarts_and_names_without_end_make_no_series_without_end() -> None:
    metrics, total = Metrics(), 0
    for number in range(3000):
        metrics.add(example(processes=(process(f"job-{number}", 1000), process("main", 7))))
        total += 1007
    values = metrics.read()["netdash_process_receive_bytes"]
    assert len(values) == 21
    assert values[("main",)] == 3000 * 7
    assert sum(values.values()) == total


def test_who_moves_much_later_gets_a_series_and_takes_nothing_from_the_others() -> None:
    metrics = Metrics()
    for number in range(200):
        metrics.add(example(processes=(process(f"job-{number}", 10),)))
    before = metrics.read()["netdash_process_receive_bytes"]
    metrics.add(example(processes=(process("backup", 900_000),)))
    between = metrics.read()["netdash_process_receive_bytes"]
    assert between[(OTHER,)] == before[(OTHER,)] + 900_000
    metrics.add(example(processes=(process("backup", 200_000),)))
    values = metrics.read()["netdash_process_receive_bytes"]
    # What it had moved before stays where it was counted.
    assert values[("backup",)] == 200_000
    assert values[(OTHER,)] == between[(OTHER,)]


def test_a_process_named_other_is_one_of_them() -> None:
    values = after(example(processes=(process("other", 3), process("a", 4))))["netdash_process_receive_bytes"]
    assert values == {("other",): 3, ("a",): 4}


def test_interfaces_are_bounded_and_veths_take_no_place_of_others() -> None:
    veths = tuple(replace(ETH0, name=f"veth{number}", index=100 + number, kind="veth") for number in range(200))
    values = after(example(interfaces=veths), example(interfaces=(ETH0, TUN0), time=TIME + 1))
    received = values["netdash_interface_receive_bytes"]
    assert len(received) == 66
    assert received[("eth0",)] == 48_600
    assert received[(OTHER,)] == (200 - 64) * 48_600
    assert ("veth3",) not in values["netdash_interface_up"]


def test_names_are_made_safe() -> None:
    values = after(example(processes=(process('\x1b[2J"\n', 3),)))
    assert values["netdash_process_receive_bytes"] == {('·[2J"·',): 3}


def test_slots_go_to_the_busiest_of_an_interval_first() -> None:
    crowd = tuple(process(f"p{number:03}", 1 + number) for number in range(60))
    values = after(example(processes=crowd))["netdash_process_receive_bytes"]
    assert set(values) == {*((f"p{number:03}",) for number in range(40, 60)), (OTHER,)}


def test_a_slot_costs_more_the_more_there_are() -> None:
    slots = NameSlots(100)
    for number in range(20):
        assert slots.label(f"first-{number}", 1) == f"first-{number}"
    assert slots.label("a", 999_999) == OTHER
    assert slots.label("a", 1) == "a"
    for number in range(79):
        slots.label(f"big-{number}", 10**12)
    assert slots.label("late", 10**15) == OTHER
    assert slots.label("first-3", 0) == "first-3"


@settings(max_examples=60, deadline=None)
@given(st.lists(snapshots, max_size=6))
def test_no_counter_goes_down_and_labels_fit(given_snapshots: list[Snapshot]) -> None:
    metrics = Metrics()
    labels = {family.name: len(family.labels) for family in FAMILIES}
    counters = [family.name for family in FAMILIES if family.kind == "counter"]
    before = metrics.read()
    for snapshot in given_snapshots:
        metrics.add(snapshot)
        values = metrics.read()
        assert set(values) == set(labels)
        assert all(len(key) == labels[name] for name, series in values.items() for key in series)
        for name in counters:
            assert all(value <= values[name][key] for key, value in before[name].items())
        before = values
    for field in ("rx_payload", "tx_payload"):
        known = [getattr(p, field) for s in given_snapshots for p in s.processes if _moved(p)]
        way = "receive" if field == "rx_payload" else "transmit"
        assert sum(before[f"netdash_process_{way}_payload_bytes"].values()) == sum(v for v in known if v is not None)


def _moved(process: Process) -> bool:
    return any((process.rx_bytes, process.tx_bytes, process.rx_payload, process.tx_payload))
