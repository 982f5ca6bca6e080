"""Capture filters: the choice by link layer, and the translation to eBPF, against a plain interpreter and libpcap."""

from __future__ import annotations

import struct
from ctypes.util import find_library

import pytest

from netdash.errors import NotSupportedError, UsageError
from netdash.kernel.capture_filter import Instruction, compile_capture_filter, link_choice
from netdash.kernel.classic_bpf import translate

NETWORK_OFFSET = 0xFFF00000
LINK_BYTES = 14


def run_classic(program: tuple[Instruction, ...], packet: bytes, network: int) -> int:
    """A plain interpreter of classic BPF (the rules of bpf(4) of BSD); `network`: where the network header begins."""
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        kind = code & 7
        if kind in (0, 1):
            mode, size = code & 0xE0, {0x00: 4, 0x08: 2, 0x10: 1}[code & 0x18]
            start = network + k - NETWORK_OFFSET if k >= NETWORK_OFFSET else k + (x if mode == 0x40 else 0)
            if mode in (0x20, 0x40, 0xA0) and not 0 <= start <= len(packet) - (1 if mode == 0xA0 else size):
                return 0
            if mode in (0x20, 0x40):
                value = int.from_bytes(packet[start : start + size])
            elif mode == 0xA0:
                value = 4 * (packet[start] & 15)
            else:
                value = {0x00: k, 0x60: memory[k & 15], 0x80: len(packet)}[mode]
            a, x = (value, x) if kind == 0 else (a, value)
        elif kind in (2, 3):
            memory[k] = a if kind == 2 else x
        elif kind == 4:
            operand = x if code & 8 else k
            if code & 0xF0 in (0x30, 0x90) and operand == 0:
                return 0
            a = {
                0x00: a + operand,
                0x10: a - operand,
                0x20: a * operand,
                0x30: a // (operand or 1),
                0x40: a | operand,
                0x50: a & operand,
                0x60: a << (operand & 31),
                0x70: a >> (operand & 31),
                0x80: -a,
                0x90: a % (operand or 1),
                0xA0: a ^ operand,
            }[code & 0xF0] & 0xFFFFFFFF
        elif code == 0x05:
            at += k
        elif kind == 5:
            operand = x if code & 8 else k
            truth = {0x10: a == operand, 0x20: a > operand, 0x30: a >= operand, 0x40: bool(a & operand)}[code & 0xF0]
            at += if_true if truth else if_false
        elif kind == 6:
            return a if code == 0x16 else k
        else:
            a, x = (x, x) if code & 0x80 else (a, a)


def ipv4(source_port: int, destination_port: int, protocol: int = 6) -> bytes:
    """An IPv4 header and the first bytes of TCP."""
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, protocol, 0, b"\x08\x00\x01\x02", b"\x0a\x00\x00\x02")
    return head + struct.pack(">HHIIBBHHH", source_port, destination_port, 1, 1, 0x50, 2, 0, 0, 0)


def ethernet(payload: bytes, ethertype: int = 0x0800) -> bytes:
    """An Ethernet frame."""
    return bytes.fromhex("020000000001020000000002") + struct.pack(">H", ethertype) + payload


def test_raw_ip_is_told_from_ethernet() -> None:
    """Also from a source such as 8.0.1.2, whose bytes stand where an Ethernet frame has the type of IPv4."""
    program = (*link_choice(1), Instruction(6, 0, 0, 1), Instruction(6, 0, 0, 2))
    assert run_classic(program, ethernet(ipv4(1, 2)), LINK_BYTES) == 1
    assert run_classic(program, ipv4(1, 2), 0) == 2


def test_what_has_no_translation_is_refused() -> None:
    with pytest.raises(NotSupportedError):
        translate([Instruction(0x20, 0, 0, 0xFFFFF000), Instruction(6, 0, 0, 1)])


needs_libpcap = pytest.mark.skipif(find_library("pcap") is None, reason="libpcap is not installed")

CASES = [
    ("port 80", [True, True, False, False]),
    ("tcp dst port 80", [True, False, False, False]),
    ("udp", [False, False, True, False]),
    ("arp", [False, False, False, True]),
    ("src host 8.0.1.2", [True, True, True, False]),
    ("net 8.0.0.0/8 and not udp", [True, True, False, False]),
    ("ether src 02:00:00:00:00:02", [True, True, True, True]),
    ("tcp[tcpflags] & tcp-syn != 0", [True, True, False, False]),
    ("ip[8] / ip[1] > 2", [False, False, False, False]),
    ("host 200.1.2.3 or portrange 70-90", [True, True, False, False]),
]
PACKETS = [ipv4(5000, 80), ipv4(80, 5000), ipv4(53, 5000, protocol=17), bytes(28)]


@needs_libpcap
@pytest.mark.parametrize(("expression", "matches"), CASES)
def test_an_expression_matches_what_it_says_on_both_kinds_of_link(expression: str, matches: list[bool]) -> None:
    program = compile_capture_filter(expression).program
    frames = [ethernet(packet, 0x0806 if not any(packet) else 0x0800) for packet in PACKETS]
    assert [bool(run_classic(program, frame, LINK_BYTES)) for frame in frames] == matches
    if "ether" not in expression:
        assert [bool(run_classic(program, packet, 0)) for packet in PACKETS[:3]] == matches[:3]


@needs_libpcap
@pytest.mark.parametrize("expression", ["prt 80", "vlan 3", "port 80\0", "a" * 3000, "host ("])
def test_wrong_expressions_are_usage_errors(expression: str) -> None:
    with pytest.raises(UsageError, match="--capture-filter"):
        compile_capture_filter(expression)


@needs_libpcap
def test_the_ring_keeps_the_bytes_that_it_wants_of_a_match() -> None:
    code = compile_capture_filter("port 80").classic(128)
    returns = [k for code, _, _, k in struct.iter_unpack("=HBBI", code) if code == 6]
    assert set(returns) == {0, 128}
