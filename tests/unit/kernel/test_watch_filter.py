"""Which packets a watch wants: the rules in NumPy, and the same rules in the eBPF program on test data."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.kernel.raw_flow import FLOW_KEY, PACKET_HOST, PACKET_OUTGOING
from netdash.kernel.watch_filter import MAX_WATCH_KEYS, WATCH_KEY, WatchFilter, watch_filter
from netdash.model.packets import MAX_WATCHED_FLOWS, PacketWatch, WatchedFlow, WatchedPort
from netdash.model.tables import pack_address
from tests.unit.kernel.flow_frames import ethernet, ipv4, ipv6, tcp, udp
from tests.unit.kernel.test_flow_program import PRECISE_TIME, Bench

HERE, THERE = pack_address("192.0.2.1"), pack_address("198.51.100.2")
CALL = WatchedFlow(0x0800, 6, HERE, 1234, THERE, 443)
PING = WatchedFlow(0x0800, 1, HERE, 0xBEEF, THERE, 0, echo=True)


def matches(wanted: WatchFilter, packet_type: int, flow: WatchedFlow, ifindex: int = 3) -> bool:
    """Of a packet from `flow.local` to `flow.remote`."""
    key = np.zeros(1, FLOW_KEY)
    key["ifindex"], key["packet_type"] = ifindex, packet_type
    key["ethertype"], key["protocol"] = flow.ethertype, flow.protocol
    key["source_port"], key["destination_port"] = flow.local_port, flow.remote_port
    key["source"], key["destination"] = np.frombuffer(flow.local, np.uint8), np.frombuffer(flow.remote, np.uint8)
    return bool(wanted.matches(key)[0])


def turned(flow: WatchedFlow) -> WatchedFlow:
    return replace(flow, local=flow.remote, local_port=flow.remote_port, remote=flow.local, remote_port=flow.local_port)


def test_both_directions_of_a_flow_and_no_other() -> None:
    wanted = watch_filter(PacketWatch(flows=(CALL,)))
    assert matches(wanted, PACKET_OUTGOING, CALL)
    assert matches(wanted, PACKET_HOST, turned(CALL))
    for other in (
        replace(CALL, local_port=1235),
        replace(CALL, remote_port=1234, local_port=443),
        replace(CALL, protocol=17),
        replace(CALL, remote=HERE),
    ):
        assert not matches(wanted, PACKET_OUTGOING, other)
        assert not matches(wanted, PACKET_HOST, turned(other))


def test_echo_requests_and_replies_of_one_identifier() -> None:
    wanted = watch_filter(PacketWatch(flows=(PING,)))
    request, reply = (
        replace(PING, local_port=8 << 8, remote_port=0xBEEF),
        replace(PING, local_port=0, remote_port=0xBEEF),
    )
    assert matches(wanted, PACKET_OUTGOING, request)
    assert matches(wanted, PACKET_HOST, replace(reply, local=THERE, remote=HERE))
    assert not matches(wanted, PACKET_OUTGOING, reply)
    assert not matches(wanted, PACKET_OUTGOING, replace(request, remote_port=1))


def test_other_icmp_messages_have_their_type_and_code() -> None:
    unreachable = WatchedFlow(0x0800, 1, HERE, 0, THERE, 3 << 8 | 1)
    wanted = watch_filter(PacketWatch(flows=(unreachable,)))
    header = replace(unreachable, local_port=3 << 8 | 1, remote_port=0)
    assert matches(wanted, PACKET_OUTGOING, header)
    assert matches(wanted, PACKET_HOST, replace(header, local=THERE, remote=HERE))
    assert not matches(wanted, PACKET_OUTGOING, replace(header, local_port=3 << 8))


def test_a_port_is_the_local_one() -> None:
    wanted = watch_filter(PacketWatch(ports=(WatchedPort(6, 1234),)))
    assert matches(wanted, PACKET_OUTGOING, CALL)
    assert matches(wanted, PACKET_HOST, turned(CALL))
    assert not matches(wanted, PACKET_HOST, CALL)
    assert not matches(wanted, PACKET_OUTGOING, replace(CALL, protocol=17))


def test_an_interface_limits_every_watch() -> None:
    for watch in (PacketWatch(everything=True, ifindex=3), PacketWatch(flows=(CALL,), ifindex=3)):
        wanted = watch_filter(watch)
        assert matches(wanted, PACKET_OUTGOING, CALL)
        assert not matches(wanted, PACKET_OUTGOING, CALL, ifindex=4)


def test_nothing_named_is_nothing_wanted() -> None:
    assert not matches(watch_filter(PacketWatch()), PACKET_HOST, CALL)


def test_the_kernels_map_has_room_for_every_watch() -> None:
    pings = tuple(replace(PING, local_port=0, remote=pack_address(f"10.0.{n >> 8}.{n & 255}")) for n in range(1024))
    assert len(pings) == MAX_WATCHED_FLOWS
    keys = watch_filter(PacketWatch(flows=pings)).keys
    assert len(keys) == MAX_WATCH_KEYS * WATCH_KEY.itemsize


ports = st.sampled_from([0, 1, 53, 443, 0x1234, 0x3412, 0xFFFF])


@settings(max_examples=60, deadline=None)
@given(a=ports, b=ports, watched_a=ports, watched_b=ports, outgoing=st.booleans())
def test_the_quick_test_leaves_nothing_out(a: int, b: int, watched_a: int, watched_b: int, outgoing: bool) -> None:
    wanted = watch_filter(
        PacketWatch(flows=(replace(CALL, local_port=watched_a, remote_port=watched_b),), ports=(WatchedPort(6, 53),))
    )
    local = a if outgoing else b
    expected = (a, b) == (watched_a, watched_b) or local == 53
    packet_type = PACKET_OUTGOING if outgoing else PACKET_HOST
    assert matches(wanted, packet_type, replace(CALL, local_port=a, remote_port=b)) == expected


@pytest.mark.root
def test_the_program_agrees() -> None:
    """In a test run every packet is one to this host or another, on the loopback device."""
    bench = Bench(PRECISE_TIME)
    frames = {
        "tcp": ipv4(6, tcp()),
        "udp": ipv4(17, udp()),
        "udp6": ipv6(17, udp()),
        "arp": ethernet(0x0806, bytes(46)),
        "tagged": ethernet(0x0800, ipv4(6, tcp())[14:], (0x8100, 5)),
    }
    bench.drain()
    keys = {}
    for name, frame in frames.items():
        bench.run(frame)
        keys[name] = bench.drain()[0]
    flows = {name: _flow_of(key[0]) for name, key in keys.items()}
    watches = [PacketWatch(flows=(flow,)) for flow in flows.values()]
    watches += [PacketWatch(flows=(turned(flow),)) for flow in flows.values()]
    watches += [PacketWatch(ports=(WatchedPort(6, 443),)), PacketWatch(ports=(WatchedPort(17, 53),))]
    watches += [
        PacketWatch(everything=True),
        PacketWatch(everything=True, ifindex=1),
        PacketWatch(),
        *(replace(watch, ifindex=ifindex) for watch in (watches[0], watches[2]) for ifindex in (1, 2)),
    ]
    try:
        for watch in watches:
            wanted = watch_filter(watch)
            for start in range(0, len(wanted.keys), WATCH_KEY.itemsize):
                bench.maps["watched"].update(wanted.keys[start : start + WATCH_KEY.itemsize], bytes(8))
            limits = (96, wanted.ifindex, wanted.everything, wanted.flow_bits, wanted.port_bits)
            bench.maps["control"].update(bytes(4), struct.pack("<7Q", 0, 0, *limits))
            for name, frame in frames.items():
                expected = 96 if wanted.matches(keys[name])[0] else 0
                assert bench.program.test_run(frame) == expected, (watch, name)
            for key in bench.maps["watched"].keys():  # noqa: SIM118 - a method of a map in the kernel, not of a dict
                bench.maps["watched"].delete(key)
    finally:
        bench.close()


def _flow_of(key: np.void) -> WatchedFlow:
    source, destination = key["source"].tobytes(), key["destination"].tobytes()
    ends = source, int(key["source_port"]), destination, int(key["destination_port"])
    return WatchedFlow(int(key["ethertype"]), int(key["protocol"]), *ends)
