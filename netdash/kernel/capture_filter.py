"""Capture filters: a pcap expression compiled by libpcap, and put before the counting of packets.

libpcap gives classic BPF (`struct sock_filter`, <linux/filter.h>). The counting socket sees interfaces with and without
a link-layer header at once, so an expression is compiled as for Ethernet and as for raw IP, and the program takes for
each packet the one that fits: on raw IP the packet begins with its network header. The ring gets that program as it
is; the eBPF counter gets its translation as a prefix that goes on into the counting or ends with 0.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from netdash.errors import NotSupportedError, UsageError
from netdash.kernel.classic_bpf import translate
from netdash.model.sanitize import sanitize

MAX_EXPRESSION: Final = 2000
"""Characters of an expression."""
MAX_INSTRUCTIONS: Final = 4000
"""Both programs together; the kernel takes 4096 (BPF_MAXINSNS)."""

_DLT_EN10MB, _DLT_RAW = 1, 12
_SNAP_BYTES: Final = 262_144
_NETMASK_UNKNOWN: Final = 0xFFFFFFFF
_NETWORK_OFFSET: Final = 0xFFF00000
"""SKF_NET_OFF, <linux/filter.h>: loads from here on are relative to the network header."""
_LOAD_WORD, _COPY_TO_X, _JUMP, _JUMP_EQUAL_X, _RETURN = 0x20, 0x07, 0x05, 0x1D, 0x06
_COMPARED_WORDS: Final = 5
"""An IPv4 header: an Ethernet frame's beginning equals the beginning of its own payload never by chance."""
_LIBRARIES: Final = ("libpcap.so.0.8", "libpcap.so.1")


class Instruction(NamedTuple):
    """`struct sock_filter`."""

    code: int
    if_true: int
    if_false: int
    k: int


class _SockFilter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _BpfProgram(ctypes.Structure):
    _fields_ = (("bf_len", ctypes.c_uint), ("bf_insns", ctypes.POINTER(_SockFilter)))


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """A compiled expression."""

    expression: str
    program: tuple[Instruction, ...]
    """Returns 0 for a packet that does not match."""

    def classic(self, snap_bytes: int) -> bytes:
        """The program as the kernel takes it with SO_ATTACH_FILTER; `snap_bytes`: what is kept of a match."""
        kept = (Instruction(*i[:3], snap_bytes) if i.code == _RETURN and i.k else i for i in self.program)
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in kept)

    def prefix(self) -> bytes:
        """eBPF instructions to stand before a socket filter, which then sees only packets that match."""
        return translate(self.program)


def compile_capture_filter(expression: str) -> CaptureFilter:
    """Compiles a pcap expression (pcap-filter(7)).

    Raises UsageError for a wrong one, NotSupportedError where libpcap is not installed.
    """
    if len(expression) > MAX_EXPRESSION or "\0" in expression:
        raise UsageError(f"--capture-filter: an expression has at most {MAX_EXPRESSION} characters, none of them NUL")
    if re.search(r"\bvlan\b", expression):
        # The kernel takes the tag out of the frame, and code that looks there without libpcap's live handle finds none.
        raise UsageError("--capture-filter: 'vlan' is not supported; the filter sees frames without their VLAN tag")
    library = _libpcap()
    ethernet = _compile(library, expression, _DLT_EN10MB)
    try:
        raw = _compile(library, expression, _DLT_RAW)
    except UsageError:
        # What asks for link-layer fields matches nothing where there are none.
        raw = (Instruction(_RETURN, 0, 0, 0),)
    program = (*link_choice(len(ethernet)), *ethernet, *raw)
    if len(program) > MAX_INSTRUCTIONS:
        raise UsageError(f"--capture-filter: the expression is too large ({len(program)} instructions)")
    return CaptureFilter(expression, program)


def link_choice(ethernet_length: int) -> tuple[Instruction, ...]:
    """Goes on to the next instruction behind it, or over `ethernet_length` more if the packet is raw IP."""
    choice: list[Instruction] = []
    for word in range(_COMPARED_WORDS):
        left = 4 * (_COMPARED_WORDS - word - 1)
        choice += [
            Instruction(_LOAD_WORD, 0, 0, _NETWORK_OFFSET + 4 * word),
            Instruction(_COPY_TO_X, 0, 0, 0),
            Instruction(_LOAD_WORD, 0, 0, 4 * word),
            Instruction(_JUMP_EQUAL_X, 0, left + 1, 0),
        ]
    return (*choice, Instruction(_JUMP, 0, 0, ethernet_length))


def _libpcap() -> ctypes.CDLL:
    found = ctypes.util.find_library("pcap")
    for name in (*_LIBRARIES, *([found] if found else [])):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.pcap_open_dead.restype = ctypes.c_void_p
        library.pcap_geterr.restype = ctypes.c_char_p
        library.pcap_geterr.argtypes = [ctypes.c_void_p]
        library.pcap_compile.argtypes = [
            ctypes.c_void_p,
            ctypes.POINTER(_BpfProgram),
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_uint,
        ]
        library.pcap_close.argtypes = [ctypes.c_void_p]
        library.pcap_freecode.argtypes = [ctypes.POINTER(_BpfProgram)]
        return library
    raise NotSupportedError(
        "--capture-filter needs libpcap, which is not installed; install it (libpcap0.8 or libpcap), or use --filter"
    )


def _compile(library: ctypes.CDLL, expression: str, link_type: int) -> tuple[Instruction, ...]:
    handle = library.pcap_open_dead(link_type, _SNAP_BYTES)
    if not handle:
        raise NotSupportedError("--capture-filter: libpcap gives no handle; memory is short")
    program = _BpfProgram()
    try:
        if library.pcap_compile(handle, ctypes.byref(program), expression.encode(), 1, _NETMASK_UNKNOWN):
            reason = sanitize((library.pcap_geterr(handle) or b"").decode(errors="replace"), 200)
            raise UsageError(f"--capture-filter '{sanitize(expression, 100)}': {reason}; see pcap-filter(7)")
        instructions = tuple(
            Instruction(i.code, i.jt, i.jf, i.k) for i in (program.bf_insns[n] for n in range(program.bf_len))
        )
        library.pcap_freecode(ctypes.byref(program))
        return instructions
    finally:
        library.pcap_close(handle)
