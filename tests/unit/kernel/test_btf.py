"""BTF: the running kernel's where it can be read, small ones made here, and any bytes."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.errors import NotSupportedError
from netdash.kernel.btf import KERNEL_BTF, Btf, Kind

BIT_FIELDS = 1 << 31


class Blob:
    """Writes BTF; types are numbered from 1 in the order of `add`."""

    def __init__(self) -> None:
        self._strings = b"\0"
        self._types = b""
        self._count = 0

    def name(self, text: str) -> int:
        if not text:
            return 0
        encoded = b"\0" + text.encode() + b"\0"
        if encoded not in self._strings:
            self._strings += encoded[1:]
        return self._strings.index(encoded) + 1

    def add(self, kind: int, name: str, size_or_type: int, *words: int, entries: int = 0, flags: int = 0) -> int:
        head = (self.name(name), kind << 24 | entries | flags, size_or_type)
        self._types += struct.pack(f"={3 + len(words)}I", *head, *words)
        self._count += 1
        return self._count

    def integer(self, name: str, size: int) -> int:
        return self.add(Kind.INT, name, size, size * 8)

    def structure(
        self, name: str, size: int, *members: tuple[str, int, int], kind: int = Kind.STRUCT, flags: int = 0
    ) -> int:
        """`members`: (name, type, offset in bits)."""
        words = [word for text, type_id, bits in members for word in (self.name(text), type_id, bits)]
        return self.add(kind, name, size, *words, entries=len(members), flags=flags)

    def data(self) -> bytes:
        header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._strings))
        return header + self._types + self._strings


def small_kernel() -> bytes:
    """Every kind once; `struct outer` has the members that the tests look for."""
    blob = Blob()
    u32, u64 = blob.integer("unsigned int", 4), blob.integer("unsigned long", 8)
    pointer = blob.add(Kind.PTR, "", 0)
    numbers = blob.add(Kind.ARRAY, "", 0, u32, u32, 4)
    blob.add(Kind.ENUM, "colour", 4, blob.name("RED"), 0, entries=1)
    blob.add(Kind.ENUM64, "large", 8, blob.name("HUGE"), 0, 1, entries=1)
    blob.add(Kind.FWD, "later", 0)
    short = blob.add(Kind.TYPEDEF, "u32", blob.add(Kind.VOLATILE, "", blob.add(Kind.CONST, "", u32)))
    tagged = blob.add(Kind.TYPE_TAG, "rcu", blob.add(Kind.RESTRICT, "", pointer))
    prototype = blob.add(Kind.FUNC_PROTO, "", 0, blob.name("argument"), u32, 0, u64, entries=2)
    blob.add(Kind.FUNC, "bpf_iter_thing", prototype)
    variable = blob.add(Kind.VAR, "jiffies", u64, 0)
    blob.add(Kind.DATASEC, ".data", 8, variable, 0, 8, entries=1)
    blob.add(Kind.FLOAT, "double", 8)
    blob.add(Kind.DECL_TAG, "kfunc", variable, 0xFFFFFFFF)
    inner = blob.structure("", 12, ("deep", u32, 0), ("list", numbers, 32))
    union = blob.structure("", 12, ("", inner, 0), ("alias", short, 0), kind=Kind.UNION)
    named = blob.structure("named", 16, ("port", u32, 64))
    blob.structure("outer", 8, ("nothing", u32, 0))
    blob.structure(
        "outer", 64, ("first", u64, 0), ("", union, 64), ("part", named, 256), ("next", tagged, 384), ("void", 0, 448)
    )
    blob.structure("flags", 4, ("wide", u32, 0), ("narrow", u32, 3 | 5 << 24), flags=BIT_FIELDS)
    blob.structure("odd", 4, ("shifted", u32, 4))
    blob.add(Kind.TYPEDEF, "btf_trace_thing", pointer)
    return blob.data()


@pytest.mark.parametrize(
    ("structure", "path", "place"),
    [
        ("outer", ["first"], (0, 8)),
        ("outer", ["deep"], (8, 4)),
        ("outer", ["alias"], (8, 4)),
        ("outer", ["list", 0], (12, 4)),
        ("outer", ["list", 3], (24, 4)),
        ("outer", ["part", "port"], (40, 4)),
        ("outer", ["next"], (48, struct.calcsize("P"))),
        ("outer", ["void"], (56, 0)),
        ("outer", ["nothing"], (0, 4)),
        ("flags", ["wide"], (0, 4)),
    ],
)
def test_places_of_members(structure: str, path: list[str | int], place: tuple[int, int]) -> None:
    assert Btf(small_kernel()).member(structure, path) == place


@pytest.mark.parametrize(
    ("structure", "path", "reason"),
    [
        ("outer", ["absent"], "this kernel's struct outer has no absent"),
        ("outer", ["first", "inside"], "has no first.inside"),
        ("outer", ["first", 1], "has no first.1"),
        ("outer", ["void", "inside"], "has no void.inside"),
        ("absent", ["first"], "struct absent has no first"),
        ("later", ["first"], "struct later has no first"),
        ("flags", ["narrow"], "narrow is a bit field"),
        ("odd", ["shifted"], "shifted is a bit field"),
    ],
)
def test_members_that_are_not_there(structure: str, path: list[str | int], reason: str) -> None:
    with pytest.raises(NotSupportedError, match=reason):
        Btf(small_kernel()).member(structure, path)


def test_numbers_of_types() -> None:
    btf = Btf(small_kernel())
    assert btf.type_id(Kind.INT, "unsigned int") == 1
    assert btf.type_id(Kind.FUNC, "bpf_iter_thing") > btf.type_id(Kind.ENUM, "colour") > 1
    assert btf.type_id(Kind.TYPEDEF, "btf_trace_thing") == len(btf._starts) - 1
    with pytest.raises(NotSupportedError, match="no func colour"):
        btf.type_id(Kind.FUNC, "colour")
    with pytest.raises(NotSupportedError, match="no typedef absent"):
        btf.type_id(Kind.TYPEDEF, "absent")


def endless_typedef(blob: Blob) -> None:
    blob.structure("s", 4, ("m", 2, 0))
    blob.add(Kind.TYPEDEF, "loop", 2)


def self_containing(blob: Blob) -> None:
    blob.structure("s", 4, *[("", 1, 0)] * 1000)


def nested_fans(blob: Blob) -> None:
    """40 levels, each of which has the next one 500 times: 500 ** 40 ways down."""
    for level in range(1, 41):
        blob.structure("s" if level == 1 else "", 4, *[("", level + 1, 0)] * 500)


def deep_nesting(blob: Blob) -> None:
    for level in range(1, 5001):
        blob.structure("s" if level == 1 else "", 4, ("", level + 1, 0))


def foreign_type(blob: Blob) -> None:
    blob.structure("s", 4, ("", 0xFFFFFFFF, 0), ("m", 0x7FFFFFFF, 0))


@pytest.mark.parametrize("fill", [endless_typedef, self_containing, nested_fans, deep_nesting, foreign_type])
def test_hostile_types_come_to_an_end(fill: Callable[[Blob], None]) -> None:
    blob = Blob()
    fill(blob)
    with pytest.raises(NotSupportedError):
        Btf(blob.data()).member("s", ["m", "x"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no header"),
        (bytes(24), "magic 0x0"),
        (b"\xeb\x9f" + small_kernel()[2:], "magic"),
        (small_kernel()[:-1], "sections beyond its end"),
        (
            struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 12, 12, 0) + struct.pack("=III", 0, 31 << 24, 0),
            "unknown kind",
        ),
        (struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 12, 12, 0) + struct.pack("=III", 0, 4 << 24 | 9, 0), "end"),
        (struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 8, 8, 0) + bytes(8), "beyond its end"),
    ],
)
def test_what_is_not_btf_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(NotSupportedError, match=reason):
        Btf(data)


def look_around(data: bytes) -> None:
    btf = Btf(data)
    places: list[tuple[str, list[str | int]]] = [
        ("outer", ["deep"]),
        ("outer", ["list", 2]),
        ("named", ["port"]),
        ("flags", ["narrow"]),
    ]
    for structure, path in places:
        assert all(number >= 0 for number in btf.member(structure, path))
    assert btf.type_id(Kind.FUNC, "bpf_iter_thing") > 0


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(NotSupportedError):
        look_around(data)
    with pytest.raises(NotSupportedError):
        look_around(struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(data) // 4 * 4, 0, len(data)) + data)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(small_kernel()) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_types(changes: list[tuple[int, int]]) -> None:
    data = bytearray(small_kernel())
    for position, value in changes:
        data[position] = value
    with contextlib.suppress(NotSupportedError):
        look_around(bytes(data))


def test_a_kernel_without_btf(tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match="this kernel has no BTF"):
        Btf.of_kernel(tmp_path / "vmlinux")
    with pytest.raises(NotSupportedError, match=r"cannot be read: .*Is a directory"):
        Btf.of_kernel(tmp_path)


def test_the_running_kernel() -> None:
    """Against layouts that never change, because they are on the wire or part of the interface to programs."""
    if not KERNEL_BTF.exists():
        pytest.skip(f"no {KERNEL_BTF}")
    btf = Btf.of_kernel()
    assert btf.member("iphdr", ["saddr"]) == (12, 4)
    assert btf.member("ipv6hdr", ["daddr", "in6_u", "u6_addr32", 2]) == (32, 4)
    assert btf.member("ipv6hdr", ["daddr", "in6_u", "u6_addr8", 15]) == (39, 1)
    assert btf.member("sockaddr_in", ["sin_addr", "s_addr"]) == (4, 4)
    assert btf.member("msghdr", ["msg_flags"])[1] == 4
    assert btf.member("sock", ["__sk_common", "skc_family"])[1] == 2
    assert btf.type_id(Kind.TYPEDEF, "btf_trace_sched_process_exec") > 0
    with pytest.raises(NotSupportedError, match="doff is a bit field"):
        btf.member("tcphdr", ["doff"])
