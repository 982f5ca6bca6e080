"""What the eBPF program makes of single frames, run by the kernel on test data (BPF_PROG_TEST_RUN), without traffic.

There a socket filter sees the frame without its 14-byte Ethernet header, VLAN tags stay in the data, and a frame has at
least an IP header if its type says so; behind a VLAN tag it may end anywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.kernel.bpf import Program, ProgramRejectedError, ProgramType
from netdash.kernel.bpf_map import BpfMap, possible_cpus
from netdash.kernel.programs import Artefact
from netdash.kernel.raw_flow import FLAG_FRAGMENT, FLAG_OVERFLOW, FLOW_KEY, FLOW_VALUE, SIZE_LIMITS, VLAN_PRESENT
from tests.unit.kernel.flow_frames import (
    ECHO,
    PORTS,
    SHAPES,
    V4,
    V6,
    Flow,
    ethernet,
    extension,
    flow_of,
    fragment_header,
    ipv4,
    ipv6,
    ipv6_packet,
    shortest,
    tcp,
    udp,
)
from tests.unit.kernel.slow_parser import Packet, SlowParser
from tests.unit.kernel.slow_parser import packets as near_sound_packets

pytestmark = pytest.mark.root

ARTEFACT = Artefact.load("flows")
PRECISE_TIME = 1
"""The variant that all kernels take which know of segmentation."""
REST_KEY = struct.pack("<10xH36x", FLAG_OVERFLOW)
SIZE_KEY = np.dtype([("ifindex", "<u4"), ("outgoing", "u1"), ("bucket", "u1"), ("unused", "<u2")])
LOOPBACK_IFINDEX = 1


class Bench:
    """One variant of the program with small maps of its own."""

    def __init__(self, variant: int, max_flows: int = 64, max_overflow: int = 64) -> None:
        sizes = {"flows_": max_flows, "overflow_": max_overflow}
        self.maps: dict[str, BpfMap] = {}
        for name, definition in ARTEFACT.maps.items():
            entries = sizes.get(name.rstrip("01"), definition.max_entries)
            self.maps[name] = BpfMap(name, replace(definition, max_entries=entries))
        instructions = ARTEFACT.variants[variant].link({name: item.fd for name, item in self.maps.items()})
        self.program = Program("count_flows", ProgramType.SOCKET_FILTER, instructions, ARTEFACT.license)
        self.maps["overflow_0"].update(REST_KEY, bytes(FLOW_VALUE.itemsize))

    def run(self, *frames: bytes, gso_size: int = 0, gso_segs: int = 0) -> None:
        context = bytearray(192)  # struct __sk_buff
        struct.pack_into("=I", context, 164, gso_segs)
        struct.pack_into("=I", context, 176, gso_size)
        for frame in frames:
            assert self.program.test_run(frame, bytes(context) if gso_size else b"") == 0

    def drain(self, name: str = "flows_0") -> tuple[NDArray[np.void], NDArray[np.void]]:
        return self.maps[name].drain(FLOW_KEY, FLOW_VALUE)

    def count_one(self, frame: bytes, gso_size: int = 0, gso_segs: int = 0) -> tuple[Flow, np.void]:
        self.run(frame, gso_size=gso_size, gso_segs=gso_segs)
        keys, values = self.drain()
        assert len(keys) == 1
        assert (int(keys[0]["ifindex"]), int(values[0]["skb_packets"])) == (LOOPBACK_IFINDEX, 1)
        return flow_of(keys[0]), values[0]

    def buckets(self) -> dict[int, int]:
        per_cpu = np.dtype([("frames", "<u8", possible_cpus())])
        keys, values = self.maps["sizes_0"].drain(SIZE_KEY, per_cpu)
        return {
            int(bucket): int(total) for bucket, total in zip(keys["bucket"], values["frames"].sum(axis=1), strict=True)
        }

    def close(self) -> None:
        self.program.close()
        for item in self.maps.values():
            item.close()


@pytest.fixture(scope="module", params=range(len(ARTEFACT.variants)), ids=[v.name for v in ARTEFACT.variants])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    try:
        made = Bench(request.param)
    except ProgramRejectedError as error:
        if "invalid func" not in str(error):
            raise
        pytest.skip(f"this kernel lacks a helper function: {error}")
    yield made
    made.close()


@pytest.fixture
def segmenting() -> Iterator[Bench]:
    made = Bench(PRECISE_TIME)
    yield made
    made.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_flow_and_bytes_of_a_frame(bench: Bench, shape: str) -> None:
    frame, expected = SHAPES[shape]
    flow, value = bench.count_one(frame)
    assert flow == expected
    assert (value["wire_packets"], value["wire_bytes"], value["skb_bytes"]) == (1, len(frame) - 14, len(frame) - 14)
    assert value["last_ns"] > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_every_truncation_counts_as_one_packet(bench: Bench, shape: str) -> None:
    frame, expected = SHAPES[shape]
    bench.drain()
    lengths = range(shortest(frame), len(frame) + 1)
    bench.run(*(frame[:length] for length in lengths))
    keys, values = bench.drain()
    assert int(values["wire_packets"].sum()) == len(lengths)
    assert int(values["wire_bytes"].sum()) == sum(lengths) - 14 * len(lengths)
    assert expected in [flow_of(key) for key in keys]
    assert {flow.source for flow in map(flow_of, keys)} <= {"::", expected.source}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"", *(frame for frame, _ in SHAPES.values())]),
    cut=st.integers(14, 80),
    noise=st.binary(min_size=1, max_size=200),
    gso_size=st.sampled_from([0, 0, 1, 8, 1448, 0xFFFF]),
    gso_segs=st.sampled_from([0, 1, 2, 45, 0xFFFF]),
)
def test_hostile_bytes_count_as_one_packet(
    bench: Bench, start: bytes, cut: int, noise: bytes, gso_size: int, gso_segs: int
) -> None:
    frame = (start[:cut] or bytes(14)) + noise
    frame += bytes(max(0, shortest(frame) - len(frame)))
    _, value = bench.count_one(frame, gso_size, gso_segs)
    assert value["skb_bytes"] == len(frame) - 14
    assert value["wire_packets"] >= 1
    if not gso_size:
        assert (value["wire_packets"], value["wire_bytes"]) == (1, len(frame) - 14)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(near_sound_packets(), min_size=1, max_size=6))
def test_agrees_with_the_rules_of_the_packet_ring(segmenting: Bench, drawn: list[Packet]) -> None:
    """Both packet counters must make the same rows of the same traffic; fragments depend on what came before."""
    slow = SlowParser()
    segmenting.maps["fragments"].drain(np.dtype("V40"), np.dtype("V16"))
    for given_packet in drawn:
        packet = replace(given_packet, data=given_packet.visible, captured=None, vlan=0, link_bytes=0, skb_bytes=None)
        frame = ethernet(packet.ethertype, packet.data)
        if len(frame) < shortest(frame):
            continue
        expected = slow.parse(packet)
        segmenting.run(frame, gso_size=packet.gso_size)
        keys, values = segmenting.drain()
        key, value = keys[0], values[0]
        names = ("ethertype", "vlan", "flags", "protocol", "source_port", "destination_port")
        assert {name: int(key[name]) for name in names} == {name: getattr(expected, name) for name in names}
        assert (key["source"].tobytes(), key["destination"].tobytes()) == (expected.source, expected.destination)
        counts = ("tcp_flags", "wire_packets", "wire_bytes", "skb_bytes")
        assert {name: int(value[name]) for name in counts} == {name: getattr(expected, name) for name in counts}


def test_tcp_flags_are_collected(bench: Bench) -> None:
    bench.drain()
    bench.run(*(ipv4(6, tcp(flags)) for flags in (0x02, 0x10, 0x18, 0x11)))
    _, values = bench.drain()
    assert (len(values), int(values[0]["tcp_flags"]), int(values[0]["wire_packets"])) == (1, 0x1B, 4)


def test_ports_of_a_tcp_header_cut_short(bench: Bench) -> None:
    flow, value = bench.count_one(ipv4(6, tcp()[:8]))
    assert (flow.source_port, flow.destination_port, int(value["tcp_flags"])) == (1234, 443, 0)


@pytest.mark.parametrize("protocol", [17, 1, 47])
def test_ipv4_fragments_join_their_flow(bench: Bench, protocol: int) -> None:
    first = {17: udp(bytes(1472)), 1: ECHO + bytes(1472), 47: bytes(1480)}[protocol]
    bench.drain()
    bench.run(
        ipv4(protocol, first, fragment=0x2000, ident=protocol),
        ipv4(protocol, b"\xff" * 1480, fragment=0x2000 | 185, ident=protocol),
        ipv4(protocol, b"\xff" * 99, fragment=370, ident=protocol),
    )
    keys, values = bench.drain()
    assert [flow_of(key).flags for key in keys] == [0]
    assert (int(values[0]["wire_packets"]), int(values[0]["wire_bytes"])) == (3, 1500 + 1500 + 119)
    assert int(keys[0]["destination_port"]) == {17: 53, 1: 0xBEEF, 47: 0}[protocol]


def test_ipv6_fragments_join_their_flow_through_extension_headers(bench: Bench) -> None:
    bench.drain()
    bench.run(
        ipv6(0, extension(44) + fragment_header(60, 0, True) + extension(6) + tcp(0x02)),
        ipv6(0, extension(44) + fragment_header(60, 1448, False) + b"\xff" * 64),
    )
    keys, values = bench.drain()
    assert [flow_of(key) for key in keys] == [replace(V6, protocol=6, source_port=1234, destination_port=443)]
    assert (int(values[0]["wire_packets"]), int(values[0]["tcp_flags"])) == (2, 0x02)


@pytest.mark.parametrize(
    ("frame", "flow"),
    [
        (ipv4(17, udp(), fragment=185, ident=4321), replace(V4, protocol=17, flags=FLAG_FRAGMENT)),
        (ipv4(6, tcp(), fragment=0x2001, ident=4322), replace(V4, protocol=6, flags=FLAG_FRAGMENT)),
        (ipv6(44, fragment_header(17, 8, True, 4323) + udp()), replace(V6, protocol=17, flags=FLAG_FRAGMENT)),
    ],
)
def test_later_fragment_alone_has_no_ports(bench: Bench, frame: bytes, flow: Flow) -> None:
    found, value = bench.count_one(frame)
    assert found == flow
    assert value["tcp_flags"] == 0


def test_fragments_of_other_datagrams_are_kept_apart(bench: Bench) -> None:
    bench.drain()
    bench.run(ipv4(17, udp(), fragment=0x2000, ident=50), ipv4(17, bytes(8), fragment=1, ident=51))
    keys, _ = bench.drain()
    assert sorted(int(key["flags"]) for key in keys) == [0, FLAG_FRAGMENT]


SEGMENT_CASES = {
    "tcp": (ipv4(6, tcp(options=bytes(12), payload=bytes(3000))), 20 + 32, 1448, 3000),
    "ip options": (ipv4(6, tcp(payload=bytes(3000)), options=b"\x01" * 8), 28 + 20, 1448, 3000),
    "v6 tcp": (ipv6(6, tcp(options=bytes(12), payload=bytes(3000))), 40 + 32, 1428, 3000),
    "v6 extension": (ipv6(60, extension(6, 1) + tcp(payload=bytes(3000))), 40 + 16 + 20, 1000, 3000),
    "udp": (ipv4(17, udp(bytes(3001))), 28, 1000, 3001),
    "vlan": (ethernet(0x0800, ipv4(17, udp(bytes(3001)))[14:], (0x8100, 5)), 4 + 28, 1000, 3001),
}


@pytest.mark.parametrize("case", SEGMENT_CASES)
@pytest.mark.parametrize("segments_known", [True, False])
def test_super_packet_counts_as_its_segments(segmenting: Bench, case: str, segments_known: bool) -> None:
    frame, header_bytes, segment_bytes, payload_bytes = SEGMENT_CASES[case]
    segments = -(-payload_bytes // segment_bytes)
    _, value = segmenting.count_one(frame, segment_bytes, segments if segments_known else 0)
    skb_bytes = len(frame) - 14
    assert value["skb_bytes"] == skb_bytes
    assert value["wire_packets"] == segments
    assert value["wire_bytes"] == skb_bytes + (segments - 1) * header_bytes
    sizes = [header_bytes + segment_bytes] * (segments - 1)
    sizes.append(int(value["wire_bytes"]) - sum(sizes))
    expected: dict[int, int] = {}
    for size in sizes:
        bucket = int(np.searchsorted(SIZE_LIMITS, size))
        expected[bucket] = expected.get(bucket, 0) + 1
    assert segmenting.buckets() == expected


def test_jumbo_option_of_a_large_super_packet_is_not_on_the_wire(segmenting: Bench) -> None:
    jumbo = struct.pack("!BBBBI", 6, 0, 0xC2, 4, 0)
    packet = ipv6_packet(0, jumbo + tcp(payload=bytes(2000)), length=0)
    _, value = segmenting.count_one(ethernet(0x86DD, packet), 1000, 2)
    assert value["wire_bytes"] == 2 * 60 + 2000
    assert value["skb_bytes"] == 68 + 2000


def test_super_packet_without_segment_size_counts_mean_frames(segmenting: Bench) -> None:
    _, value = segmenting.count_one(ipv4(132, bytes(12) + bytes(2000)), 0xFFFF, 4)
    assert (value["wire_packets"], value["wire_bytes"]) == (4, 2032 + 3 * 32)
    assert segmenting.buckets() == {int(np.searchsorted(SIZE_LIMITS, 2128 // 4)): 4}


def test_size_buckets_follow_their_limits(segmenting: Bench) -> None:
    lengths = range(1, 1530)
    segmenting.run(*(ethernet(0x88CC, bytes(length)) for length in lengths))
    buckets, counts = np.unique(np.searchsorted(SIZE_LIMITS, lengths), return_counts=True)
    assert segmenting.buckets() == dict(zip(buckets.tolist(), counts.tolist(), strict=True))


def test_full_tables_keep_every_count() -> None:
    bench = Bench(PRECISE_TIME, max_flows=2, max_overflow=4)
    try:
        frames = [ethernet(0x88CC, bytes(50)), ipv4(17, udp())]  # fill the flow table
        frames += [ipv4(132, PORTS), ipv6(6, tcp(0x02)), ipv6(6, tcp(0x10))]  # and the overflow table
        frames += [ethernet(0x0806, bytes(46), (0x8100, 9))]
        frames += [ipv4(protocol, bytes(30)) for protocol in range(200, 240)]
        bench.run(*frames, frames[0])
        _, values = bench.drain()
        overflow_keys, overflow_values = bench.drain("overflow_0")
    finally:
        bench.close()
    rows = {flow_of(key): value for key, value in zip(overflow_keys, overflow_values, strict=True)}
    assert sorted(values["skb_packets"].tolist()) == [1, 2]
    total = int(values["wire_bytes"].sum() + overflow_values["wire_bytes"].sum())
    assert total == sum(len(frame) - 14 for frame in frames) + 50
    assert all(flow.flags == FLAG_OVERFLOW and flow.source == flow.destination == "::" for flow in rows)
    assert rows[Flow(0x86DD, 6, flags=FLAG_OVERFLOW)]["tcp_flags"] == 0x12
    assert rows[Flow(0x0806, vlan=VLAN_PRESENT | 9, flags=FLAG_OVERFLOW)]["wire_bytes"] == 50
    assert rows[Flow(0, flags=FLAG_OVERFLOW)]["wire_packets"] >= 40
