"""The translation to eBPF runs as libpcap's own interpreter does: the kernel runs it on random packets."""

from __future__ import annotations

import ctypes
import struct
from ctypes.util import find_library

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.kernel.bpf import Program, ProgramType
from netdash.kernel.capture_filter import compile_capture_filter

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(find_library("pcap") is None, reason="libpcap is not installed"),
]

EXPRESSIONS = [
    "port 80",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip6 and udp",
    "greater 60",
    "net 10.0.0.0/8",
    "host 200.1.2.3 or portrange 1-99",
    "ip[0] / ip[1] > 2",
    "ip[8] > 63 and ip[2:2] - 20 > 60",
    "ip[6:2] & 0x1fff = 0 and udp[4:2] % 3 = 1",
]
MATCH = 77
RETURN_MATCH = struct.pack("<BBhiBBhi", 0xB7, 0, 0, MATCH, 0x95, 0, 0, 0)

_ports = st.tuples(st.sampled_from([80, 53, 22, 5000]), st.sampled_from([80, 53, 5000]))
_addresses = st.sampled_from([b"\xc8\x01\x02\x03", b"\x0a\x00\x00\x01"]) | st.binary(min_size=4, max_size=4)


@st.composite
def raw_packets(draw: st.DrawFn) -> tuple[int, bytes]:
    """EtherType and a packet from its network header on."""
    payload = struct.pack(">HH", *draw(_ports)) + draw(st.binary(max_size=80))
    protocol = draw(st.sampled_from([6, 17, 1, 58]))
    if draw(st.booleans()):
        addresses = draw(st.binary(min_size=32, max_size=32))
        return 0x86DD, struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload
    first = 0x40 | draw(st.sampled_from([5, 5, 6, 7]))
    fragment = draw(st.sampled_from([0, 0, 0x2000, 5]))
    head = struct.pack(">BBHHHBBH", first, draw(st.integers(0, 3)), 20 + len(payload), 1, fragment, 64, protocol, 0)
    return 0x0800, head + draw(_addresses) + draw(_addresses) + payload


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_runs_as_libpcap_says(expression: str) -> None:
    """The kernel's test run shows a socket filter the packet from its network header on: raw IP."""
    libpcap = ctypes.CDLL(find_library("pcap"))
    capture = compile_capture_filter(expression)
    code = _raw_ip_part(capture.classic(1 << 18))
    instructions = ctypes.create_string_buffer(code, len(code))
    program = Program("test", ProgramType.SOCKET_FILTER, capture.prefix() + RETURN_MATCH, "GPL")

    @given(raw_packets())
    @settings(max_examples=40, deadline=None)
    def check(made: tuple[int, bytes]) -> None:
        ethertype, packet = made
        wanted = libpcap.bpf_filter(instructions, packet, len(packet), len(packet))
        frame = bytes(12) + struct.pack(">H", ethertype) + packet
        assert (program.test_run(frame) == MATCH) == bool(wanted)

    try:
        check()
    finally:
        program.close()


def _raw_ip_part(code: bytes) -> bytes:
    """What the choice at the program's beginning jumps to for raw IP; libpcap knows no SKF_NET_OFF."""
    instructions = list(struct.iter_unpack("=HBBI", code))
    jump = next(index for index, (operation, *_) in enumerate(instructions) if operation == 0x05)
    return code[(jump + 1 + instructions[jump][3]) * 8 :]
