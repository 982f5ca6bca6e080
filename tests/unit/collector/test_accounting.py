from __future__ import annotations

import numpy as np
import pytest

from netdash.collector.accounting import AccountingTable
from netdash.collector.flows import CountedFlows
from netdash.model.tables import Attribution
from tests.unit.model.builders import flow_rows, interface

SEGMENTS, SUPER = (30_000, 20), (28_900, 1)
"""Bytes and packets of the same traffic: 20 segments on the wire, one super-packet in the kernel."""


def counted(attribution: Attribution = Attribution.SOCKET) -> CountedFlows:
    rows = flow_rows({"ifindex": 2, "rx_bytes": SEGMENTS[0], "rx_packets": SEGMENTS[1], "attribution": attribution})
    one, none = np.ones(1, np.int64), np.zeros(1, np.int64)
    return CountedFlows(rows, SUPER[0] * one, none, SUPER[1] * one, none)


@pytest.mark.parametrize(
    ("kernel_bytes", "counts"),
    [
        (SEGMENTS[0], "segments"),
        (SEGMENTS[0] - 14 * SEGMENTS[1], "segments"),
        (SEGMENTS[0] + 4 * SEGMENTS[1], "segments"),
        (SUPER[0], "super-packets"),
        (SUPER[0] - 14, "super-packets"),
    ],
)
def test_the_measure_follows_the_counter(kernel_bytes: int, counts: str) -> None:
    (found,) = AccountingTable().update((interface(rx_bytes=kernel_bytes),), counted()).values()
    assert found.counts == counts
    assert found.kernel_bytes == found.counted_bytes == found.attributed_bytes == kernel_bytes
    assert found.unattributed_bytes == 0


def test_bytes_that_were_not_counted_are_a_difference() -> None:
    table = AccountingTable()
    for _ in range(3):
        table.update((interface(rx_bytes=SUPER[0]),), counted())
    (found,) = table.update((interface(rx_bytes=SUPER[0] + 1000),), counted()).values()
    assert (found.kernel_bytes, found.counted_bytes) == (SUPER[0] + 1000, SUPER[0])


def test_a_change_of_offloads_is_followed() -> None:
    table = AccountingTable()
    for _ in range(30):
        table.update((interface(rx_bytes=SEGMENTS[0]),), counted())
    for _ in range(30):
        (found,) = table.update((interface(rx_bytes=SUPER[0]),), counted()).values()
    assert (found.counts, found.counted_bytes) == ("super-packets", SUPER[0])


@pytest.mark.parametrize(
    ("attribution", "field"),
    [
        (Attribution.EXACT, "attributed_bytes"),
        (Attribution.LISTENER, "attributed_bytes"),
        (Attribution.FORWARDED, "forwarded_bytes"),
        (Attribution.KERNEL, "kernel_socket_bytes"),
        (Attribution.NONE, "unattributed_bytes"),
    ],
)
def test_each_byte_has_one_place(attribution: Attribution, field: str) -> None:
    (found,) = AccountingTable().update((interface(rx_bytes=SEGMENTS[0]),), counted(attribution)).values()
    parts = {
        name: getattr(found, name)
        for name in ("attributed_bytes", "forwarded_bytes", "kernel_socket_bytes", "unattributed_bytes")
    }
    assert parts.pop(field) == SEGMENTS[0]
    assert set(parts.values()) == {0}


def test_a_reset_counter_is_not_known_and_teaches_nothing() -> None:
    (found,) = AccountingTable().update((interface(rx_bytes=None),), counted()).values()
    assert (found.kernel_bytes, found.counted_bytes, found.counts) == (None, SEGMENTS[0], "segments")
