"""Which end of a captured connection is the local one: each rule, and their order."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from netdash.model.local_nets import LocalNets
from netdash.model.tables import address_text, pack_address
from netdash.sources.capture.counting import CaptureOptions
from tests.unit.sources.capture_files import all_flows, frame, pcap, read_all

LOW, HIGH = "192.0.2.1", "198.51.100.7"
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10


def local_ends(tmp_path: Path, frames: list[bytes], *nets: str) -> list[tuple[str, int]]:
    """(address, port) of each flow's local end, in the order of the intervals; a frame an interval."""
    path = tmp_path / "file.pcap"
    path.write_bytes(pcap(list(enumerate(frames))))
    flows = all_flows(read_all(path, CaptureOptions(local_nets=LocalNets.parse(nets))))
    return [(address_text(flow["local"].tobytes()), int(flow["local_port"])) for flow in flows]


def test_the_lower_port_is_the_servers(tmp_path: Path) -> None:
    frames = [frame(LOW, 443, HIGH, 40_000), frame(HIGH, 40_000, LOW, 443)]
    assert local_ends(tmp_path, frames) == [(HIGH, 40_000)] * 2


def test_between_equal_ports_the_lower_address_is_local(tmp_path: Path) -> None:
    frames = [frame(LOW, 500, HIGH, 500), frame(HIGH, 500, LOW, 500)]
    assert local_ends(tmp_path, frames) == [(LOW, 500)] * 2


@pytest.mark.parametrize("first", [SYN, SYN_ACK])
def test_who_opens_is_local_whatever_the_ports(tmp_path: Path, first: int) -> None:
    opener, server = (LOW, 20), (HIGH, 50_000)
    opening = frame(*opener, *server, flags=SYN) if first == SYN else frame(*server, *opener, flags=SYN_ACK)
    frames = [opening, frame(*server, *opener, flags=ACK), frame(*opener, *server, flags=ACK)]
    assert local_ends(tmp_path, frames) == [opener] * 3
    # The ports are used again, the other way round.
    frames.append(frame(*server, *opener, flags=SYN))
    assert local_ends(tmp_path, frames)[-1] == server


def test_local_nets_come_first(tmp_path: Path) -> None:
    frames = [frame(LOW, 40_000, HIGH, 443, flags=SYN), frame(HIGH, 443, LOW, 40_000)]
    assert local_ends(tmp_path, frames, "198.51.100.0/24") == [(HIGH, 443)] * 2
    # Both or none inside: the next rule tells.
    assert local_ends(tmp_path, frames, "0.0.0.0/0") == [(LOW, 40_000)] * 2
    assert local_ends(tmp_path, frames, "2001:db8::/32", "203.0.113.1") == [(LOW, 40_000)] * 2


def test_who_asks_is_local_and_so_is_who_gets_an_error(tmp_path: Path) -> None:
    def icmp(source: str, destination: str, kind: int, identifier: int) -> bytes:
        head = frame(source, 0, destination, 0, size=54)[:34]
        return head[:23] + b"\x01" + head[24:] + struct.pack("!BBHHH", kind, 0, 0, identifier, 1)

    frames = [icmp(LOW, HIGH, 8, 77), icmp(HIGH, LOW, 0, 77), icmp(HIGH, LOW, 3, 0)]
    assert local_ends(tmp_path, frames) == [(LOW, 77), (LOW, 77), (LOW, 0)]


def test_broadcasts_and_what_is_not_ip_were_received(tmp_path: Path) -> None:
    broadcast = b"\xff" * 6 + frame(LOW, 40_000, "192.0.2.255", 138)[6:]
    arp = bytes(12) + b"\x08\x06" + bytes(40)
    path = tmp_path / "file.pcap"
    path.write_bytes(pcap([(0, broadcast), (0, arp)]))
    flows = all_flows(read_all(path))
    assert flows["rx_packets"].tolist() == [1, 1]
    assert flows["tx_packets"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("net", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
        ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ("2001:db8::/127", "2001:db8::1", "2001:db8::2"),
        ("::/0", "ffff::1", ""),
    ],
)
def test_networks(net: str, inside: str, outside: str) -> None:
    addresses = [pack_address(address) for address in (inside, outside) if address]
    rows = np.frombuffer(b"".join(addresses), np.uint8).reshape(-1, 16)
    assert LocalNets.parse((net,)).contain(rows).tolist() == [True, False][: len(addresses)]


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "host", "10.0.0.0/8/8"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match="not appear"):
        LocalNets.parse((text,))
