"""The two ends of a packet, of every kind of frame that the counting program knows, and of noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.own_session import OwnSession
from netdash.model.packet_ends import PacketEnds, packet_ends
from netdash.model.packets import LINK_ETHERNET, LINK_RAW_IP, WatchedPacket
from netdash.model.protocols import PORT_PROTOCOLS
from netdash.model.tables import pack_address
from tests.unit.kernel.flow_frames import SHAPES, Flow, ethernet, fragment_header, ipv4, ipv6, tcp, udp


def packet(data: bytes, link: int = LINK_ETHERNET) -> WatchedPacket:
    return WatchedPacket(0, 1, 0, len(data), data, link=link)


@pytest.mark.parametrize(("frame", "flow"), SHAPES.values(), ids=SHAPES)
def test_as_the_counting_program_sees_them(frame: bytes, flow: Flow) -> None:
    found = packet_ends(packet(frame))
    if flow.source == "::":
        assert found is None
        return
    ports = (flow.source_port, flow.destination_port) if flow.protocol in PORT_PROTOCOLS else (0, 0)
    source, destination = pack_address(flow.source), pack_address(flow.destination)
    assert found == PacketEnds(flow.protocol, source, ports[0], destination, ports[1])


def test_without_an_ethernet_header() -> None:
    for frame in (ipv4(17, udp()), ipv6(17, udp())):
        assert packet_ends(packet(frame[14:], LINK_RAW_IP)) == packet_ends(packet(frame))


def test_later_fragments_have_no_ports() -> None:
    for frame in (ipv4(17, udp(), fragment=0x0010), ipv6(44, fragment_header(17, 8, True) + udp())):
        found = packet_ends(packet(frame))
        assert found is not None
        assert (found.protocol, found.source_port, found.destination_port) == (17, 0, 0)


@given(start=st.sampled_from([frame for frame, _ in SHAPES.values()]), cut=st.integers(0, 90), noise=st.binary())
def test_noise_never_raises(start: bytes, cut: int, noise: bytes) -> None:
    for link in (LINK_ETHERNET, LINK_RAW_IP):
        found = packet_ends(packet(start[:cut] + noise, link))
        assert found is None or (len(found.source), len(found.destination)) == (16, 16)


def test_the_own_session_in_both_directions() -> None:
    session = OwnSession(pack_address("192.0.2.1"), 1234, pack_address("198.51.100.7"), 443)
    there, other = packet_ends(packet(ipv4(6, tcp()))), packet_ends(packet(ethernet(0x0800, ipv4(17, udp())[14:])))
    assert there is not None
    assert other is not None
    back = PacketEnds(6, there.destination, there.destination_port, there.source, there.source_port)
    assert [session.carries(each) for each in (there, back, other)] == [True, True, False]
