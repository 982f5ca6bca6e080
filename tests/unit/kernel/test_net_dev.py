from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2 import IPRoute

from netdash.kernel.net_dev import DeviceCounters, NetDevReader, parse_net_dev
from tests.namespaces import Lab, interface_counters, run_in, socket_in

RECORDED = (Path(__file__).parent / "data" / "net_dev.txt").read_bytes()

counters = st.builds(DeviceCounters, *[st.integers(0, 2**64 - 1)] * 16)
interface_names = st.text(
    st.characters(codec="ascii", exclude_characters="/:", categories=["L", "N", "P", "S"]), min_size=1, max_size=15
)


@pytest.fixture
def reader() -> Iterator[NetDevReader]:
    reader = NetDevReader()
    yield reader
    reader.close()


def test_reads_what_a_kernel_wrote() -> None:
    counters = parse_net_dev(RECORDED)
    assert list(counters) == ["lo", "ifb0", "ifb1", "eth0"]
    assert counters["eth0"].rx_bytes == 180244724
    assert counters["eth0"].rx_packets == 3457
    assert counters["eth0"].tx_bytes == 201725
    assert counters["eth0"].tx_packets == 1966


@given(st.dictionaries(interface_names, counters, max_size=5))
def test_reads_back_what_is_laid_out_like_the_kernels_lines(table: dict[str, DeviceCounters]) -> None:
    lines = [f"{name:>6}: {' '.join(map(str, astuple(row)))}\n" for name, row in table.items()]
    assert parse_net_dev(b"Inter-| Receive\n face |bytes\n" + "".join(lines).encode()) == table


@given(st.integers(0, len(RECORDED)))
def test_a_cut_leaves_only_whole_lines(length: int) -> None:
    whole = parse_net_dev(RECORDED)
    assert parse_net_dev(RECORDED[:length]).items() <= whole.items()


@given(st.binary() | st.lists(st.sampled_from([b"lo:", b" 1", b"\n", b"-", b"\xff", b"9" * 5000, b":"])).map(b"".join))
def test_damaged_text_never_raises(text: bytes) -> None:
    parse_net_dev(text)


def test_a_name_that_is_not_utf8_stands_escaped() -> None:
    assert list(parse_net_dev(b"\xff\xfeA: " + b" ".join([b"1"] * 16) + b"\n")) == ["\\xff\\xfeA"]


def test_reads_the_running_kernel_again_and_again(reader: NetDevReader) -> None:
    assert "lo" in parse_net_dev(reader.read())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        before = parse_net_dev(reader.read())["lo"]
        sender.sendto(b"x" * 100, ("127.0.0.1", 9))
    after = parse_net_dev(reader.read())["lo"]
    assert after.tx_packets > before.tx_packets
    assert after.tx_bytes >= before.tx_bytes + 128


@pytest.mark.root
def test_agrees_with_rtnetlink(lab: Lab) -> None:
    receiver = socket_in(lab.b.namespace, socket.AF_INET6, socket.SOCK_DGRAM)
    sender = socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((lab.b.ipv6, 9000))
        sender.bind((lab.a.ipv6, 9000))
        for size in range(0, 1000, 10):
            sender.sendto(b"x" * size, (lab.b.ipv6, 9000))
        receiver.sendto(b"x", (lab.a.ipv6, 9000))
        reader = run_in(lab.a.namespace, NetDevReader)
        # Read from another namespace: the open file stays where it was opened.
        row = parse_net_dev(reader.read())[lab.a.interface]
        reader.close()
    stats = interface_counters(lab.a.namespace, lab.a.interface)
    assert (row.tx_packets, row.rx_packets) == (100, 1)
    assert row == DeviceCounters(
        rx_bytes=stats["rx_bytes"],
        rx_packets=stats["rx_packets"],
        rx_errors=stats["rx_errors"],
        rx_dropped=stats["rx_dropped"] + stats["rx_missed_errors"],
        rx_fifo=stats["rx_fifo_errors"],
        rx_frame=sum(stats[f"rx_{cause}_errors"] for cause in ("length", "over", "crc", "frame")),
        rx_compressed=stats["rx_compressed"],
        rx_multicast=stats["multicast"],
        tx_bytes=stats["tx_bytes"],
        tx_packets=stats["tx_packets"],
        tx_errors=stats["tx_errors"],
        tx_dropped=stats["tx_dropped"],
        tx_fifo=stats["tx_fifo_errors"],
        tx_collisions=stats["collisions"],
        tx_carrier=sum(stats[f"tx_{cause}_errors"] for cause in ("carrier", "aborted", "window", "heartbeat")),
        tx_compressed=stats["tx_compressed"],
    )


@pytest.mark.root
def test_reads_more_interfaces_than_fit_one_page(lab: Lab) -> None:
    def read_many() -> dict[str, DeviceCounters]:
        with IPRoute() as route:
            for number in range(40):
                route.link("add", kind="veth", ifname=f"many{number}", peer=f"peer{number}")
        reader = NetDevReader()
        text = reader.read()
        reader.close()
        assert len(text) > 2 * 4096
        return parse_net_dev(text)

    expected = {"lo", lab.a.interface} | {f"{stem}{number}" for stem in ("many", "peer") for number in range(40)}
    assert run_in(lab.a.namespace, read_many).keys() == expected
