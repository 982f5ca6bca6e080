"""Each process's bytes in what `netdash --json` says at the end, against what the process itself knows it moved.

All scenarios run beside one run of the program; each process has a name and a pid of its own.
"""

from __future__ import annotations

import os

import pytest

from tests.integration.running import process_of
from tests.integration.scenarios.common import Moved
from tests.integration.scenarios.programs import NAMES
from tests.integration.scenarios.watching import Observed, observe_scenarios
from tests.namespaces import Lab

pytestmark = pytest.mark.root

ETHERNET, IPV4, IPV6, UDP, ICMP = 14, 20, 40, 8, 8
MAX_SEGMENT, MAX_LOOPBACK_SEGMENT = 1500, 65_536

TCP_HEADERS = (ETHERNET + IPV4 + 20, ETHERNET + IPV4 + 60)
UDP_HEADERS = (ETHERNET + IPV4 + UDP,) * 2
MIXED_HEADERS = (UDP_HEADERS[0], TCP_HEADERS[1])
"""Least and most bytes of headers that a packet can have."""

RECEIVED_WITH_HEADER = {"icmp_echo", "raw_protocol"}
"""A raw socket's process reads the IPv4 header as data."""

HEADERS = {
    **dict.fromkeys(("tcp_up", "tcp_down", "tcp_both", "long_lived", "sendfile", "splice", "io_uring"), TCP_HEADERS),
    **dict.fromkeys(("sixty_connections", "thirty_at_once", "twenty_processes"), TCP_HEADERS),
    **dict.fromkeys(("udp_connected", "udp_unconnected", "dns", "drip", "many_messages"), UDP_HEADERS),
    **dict.fromkeys(("icmp_echo", "raw_protocol"), (ETHERNET + IPV4,) * 2),
    "frames": (0, 0),
    "tcp_ipv6": (ETHERNET + IPV6 + 20, ETHERNET + IPV6 + 60),
    **dict.fromkeys(("udp_ipv6", "udp_ipv6_unconnected"), (ETHERNET + IPV6 + UDP,) * 2),
    **dict.fromkeys(("loopback", "thousand_processes"), MIXED_HEADERS),
}
SHARED = {"forked": TCP_HEADERS, "passed": UDP_HEADERS, "reuse_port_tcp": TCP_HEADERS, "reuse_port_udp": UDP_HEADERS}
"""Scenarios whose processes share sockets: which packets were whose is told by what each moved in an interval."""


FIN_BYTES = {"splice": 1}
"""What no call tells of comes from the socket's counter of received bytes. It counts the FIN as one, and of a
connection that ended between two looks it is not known whether by FIN."""


@pytest.fixture(scope="module")
def observed() -> Observed:
    with Lab() as lab:
        seen = observe_scenarios(lab, NAMES)
    if seen.summary["mode"]["processes"] != "exact":
        pytest.skip(f"no exact layer: {seen.summary['health']['notes']}")
    return seen


def moved_in(observed: Observed, name: str) -> tuple[Moved, ...]:
    result = observed.results[name]
    if result.skipped is not None:
        pytest.skip(result.skipped)
    assert result.failed is None
    return result.moved


@pytest.mark.parametrize("name", NAMES)
def test_payload_of_the_right_process(observed: Observed, name: str) -> None:
    right = range(FIN_BYTES.get(name, 0) + 1)
    wrong = []
    for one in moved_in(observed, name):
        more = [(row["tx_payload"] - one.sent, row["rx_payload"] - one.received) for row in observed.rows(one)]
        if len(more) != 1 or more[0][0] != 0 or more[0][1] not in right:
            wrong.append((one, more))
    assert wrong == []


def test_as_many_processes_as_there_were(observed: Observed) -> None:
    assert len({one.pid for one in moved_in(observed, "twenty_processes")}) == 20
    assert len({one.pid for one in moved_in(observed, "thousand_processes")}) == 1000


def wire_of(observed: Observed, one: Moved) -> tuple[int, int, int, int]:
    """Bytes and packets sent, bytes and packets received."""
    row = process_of(observed.summary, one.pid)
    return row["tx_bytes"], row["tx_packets"], row["rx_bytes"], row["rx_packets"]


def within_headers(wire: int, packets: int, payload: int, headers: tuple[int, int], again: int) -> bool:
    """`again`: bytes that TCP, whose headers vary, may have sent twice."""
    least, most = headers
    return payload + packets * least <= wire <= payload + packets * most + (again if most > least else 0)


@pytest.mark.parametrize("name", HEADERS)
def test_wire_bytes_are_payload_and_headers(observed: Observed, name: str) -> None:
    again = observed.retransmitted_segments * (MAX_LOOPBACK_SEGMENT if name == "loopback" else MAX_SEGMENT)
    wrong = []
    for one in moved_in(observed, name):
        tx_bytes, tx_packets, rx_bytes, rx_packets = wire_of(observed, one)
        headers = HEADERS[name]
        sent = within_headers(tx_bytes, tx_packets, one.sent, headers, again)
        if name in RECEIVED_WITH_HEADER:
            headers = (ETHERNET, ETHERNET)
        if not sent or not within_headers(rx_bytes, rx_packets, one.received, headers, again):
            wrong.append((one, tx_bytes, tx_packets, rx_bytes, rx_packets))
    assert wrong == []


@pytest.mark.parametrize("name", SHARED)
def test_wire_bytes_of_shared_sockets(observed: Observed, name: str) -> None:
    """Together they have the bytes of their flows.

    Not each its own to the byte: a packet that is counted on one side of a look and its call on the other goes to who
    moved something on that side.
    """
    of_this_side = [one for one in moved_in(observed, name) if wire_of(observed, one)[0] is not None]
    assert len(of_this_side) == 2
    wires = [wire_of(observed, one) for one in of_this_side]
    tx_bytes, tx_packets, rx_bytes, rx_packets = map(sum, zip(*wires, strict=True))
    again = observed.retransmitted_segments * MAX_SEGMENT
    assert within_headers(tx_bytes, tx_packets, sum(one.sent for one in of_this_side), SHARED[name], again)
    assert within_headers(rx_bytes, rx_packets, sum(one.received for one in of_this_side), SHARED[name], again)


def test_another_namespace_has_payload_without_wire_bytes(observed: Observed) -> None:
    (one,) = moved_in(observed, "container")
    assert set(wire_of(observed, one)) == {None}


def test_the_other_end(observed: Observed) -> None:
    """This process served all of it, in both namespaces: accepted sockets and those that were there before."""
    row = process_of(observed.summary, os.getpid())
    assert (row["tx_payload"], row["rx_payload"]) == (observed.served.sent, observed.served.received)


def test_nothing_is_lost_between_counter_and_flows(observed: Observed) -> None:
    assert observed.summary["health"]["lost_packets"] == 0
    for accounting in observed.summary["accounting"].values():
        assert accounting["counted_bytes"] == accounting["kernel_bytes"]
        assert accounting["unattributed_bytes"] == 0
