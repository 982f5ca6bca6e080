"""BTF, the kernel's own description of its types: where a member stands in a structure, which number a type has.

Programs that read kernel structures are built without the kernel's headers and get the offsets of the running kernel
when they are loaded. Layout: Documentation/bpf/btf.rst, include/uapi/linux/btf.h. One pass over all types (some 130,000
records, 20 ms) finds where each begins, for their lengths differ; everything else looks at few of them.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NotSupportedError

KERNEL_BTF: Final = Path("/sys/kernel/btf/vmlinux")

PathStep = str | int
"""Name of a member, or index of an array's element."""

_MAX_BYTES: Final = 1 << 26
"""Kernels have some 6 MB of it."""
_MAGIC: Final = 0xEB9F
_HEADER: Final = struct.Struct("=HBBIIIII")
"""magic, version, flags, header length, then offset and length of the types and of the strings."""
_RECORD_WORDS: Final = 3
"""name, info, size or type: the head of every record, in 32-bit words."""
_MAX_INDIRECTIONS: Final = 64
"""Longest chain of typedefs and qualifiers that is followed; real ones have less than ten."""
_MAX_ANONYMOUS: Final = 256
"""Most anonymous structures and unions of one structure that are searched; real ones have some dozens."""


class Kind(IntEnum):
    """BTF_KIND_* of include/uapi/linux/btf.h."""

    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


_UNKNOWN_LENGTH: Final = 1 << 32
"""Beyond the end of any blob."""
_FIXED_LENGTHS: Final = np.full(32, _UNKNOWN_LENGTH, np.int64)
_FIXED_LENGTHS[list(Kind)] = _RECORD_WORDS
_FIXED_LENGTHS[[Kind.INT, Kind.VAR, Kind.DECL_TAG]] += 1
_FIXED_LENGTHS[Kind.ARRAY] += 3
"""Words of a record by its kind..."""
_ENTRY_LENGTHS: Final = np.zeros(32, np.int64)
_ENTRY_LENGTHS[[Kind.STRUCT, Kind.UNION, Kind.DATASEC, Kind.ENUM64]] = 3
_ENTRY_LENGTHS[[Kind.ENUM, Kind.FUNC_PROTO]] = 2
"""...and of each entry that its head counts."""
_TRANSPARENT: Final = frozenset({Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG})
_COMPOSITE: Final = frozenset({Kind.STRUCT, Kind.UNION})
_SIZED: Final = frozenset({Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.FLOAT, Kind.ENUM64})
_POINTER_BYTES: Final = struct.calcsize("P")


class Btf:
    """The types of one kernel. Every look-up raises NotSupportedError for what is not there or makes no sense."""

    def __init__(self, data: bytes) -> None:
        """`data`: a whole BTF blob in the byte order of this machine. Raises NotSupportedError if it is not one."""
        try:
            magic, version, _, header_bytes, *sections = _HEADER.unpack_from(data)
        except struct.error:
            raise _malformed("no header") from None
        if magic != _MAGIC or version != 1:
            raise _malformed(f"magic {magic:#x}, version {version}")
        types_offset, types_bytes, strings_offset, strings_bytes = sections
        types_start, strings_start = header_bytes + types_offset, header_bytes + strings_offset
        if max(types_start + types_bytes, strings_start + strings_bytes) > len(data) or types_bytes % 4:
            raise _malformed("sections beyond its end")
        self._strings = data[strings_start : strings_start + strings_bytes]
        self._words: NDArray[np.uint32] = np.frombuffer(data[types_start : types_start + types_bytes], np.uint32)
        self._starts = _record_starts(self._words)
        """Where each type's record begins, in words; type 0 is void and has none."""
        heads = self._starts[1:]
        self._names = self._words[heads]
        self._kinds = self._words[heads + 1] >> 24 & 31
        self._found: dict[tuple[Kind, str], list[int]] = {}

    @classmethod
    def of_kernel(cls, path: Path = KERNEL_BTF) -> Btf:
        """The running kernel's. Raises NotSupportedError, also where it cannot be read."""
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            raise NotSupportedError(
                f"this kernel has no BTF ({path} is missing): needs a kernel with CONFIG_DEBUG_INFO_BTF, and sysfs"
            ) from None
        except OSError as error:
            raise NotSupportedError(f"the kernel's BTF cannot be read: {path}: {error.strerror}") from error
        if not data:
            raise NotSupportedError(
                f"this kernel has no BTF ({path} is empty): needs a kernel with CONFIG_DEBUG_INFO_BTF"
            )
        if len(data) > _MAX_BYTES:
            raise _malformed(f"more than {_MAX_BYTES} bytes")
        return cls(data)

    def type_id(self, kind: Kind, name: str) -> int:
        """The number of the first type of that kind and name. Raises NotSupportedError."""
        for found in self._find(kind, name):
            return found
        raise NotSupportedError(f"this kernel's BTF has no {kind.name.lower()} {name}")

    def member(self, structure: str, path: Sequence[PathStep]) -> tuple[int, int]:
        """(offset, size) in bytes of a member, such as ("sock", ["__sk_common", "skc_family"]).

        Members of anonymous structures and unions count as the outer one's own. Where several structures bear the
        name it is the first that has the member. Raises NotSupportedError.
        """
        for found in self._find(Kind.STRUCT, structure):
            place = self._follow(found, path)
            if place is not None:
                return place
        raise NotSupportedError(f"this kernel's struct {structure} has no {'.'.join(map(str, path))}")

    def _find(self, kind: Kind, name: str) -> list[int]:
        if (kind, name) not in self._found:
            # Every string of the table ends with NUL and the first is empty; none is stored twice.
            offset = self._strings.find(b"\0" + name.encode("ascii") + b"\0") + 1
            matches = (self._names == offset) & (self._kinds == kind) if offset else np.zeros(0, np.bool_)
            self._found[kind, name] = (np.flatnonzero(matches) + 1).tolist()
        return self._found[kind, name]

    def _follow(self, type_id: int, path: Sequence[PathStep]) -> tuple[int, int] | None:
        offset = 0
        for step in path:
            if isinstance(step, int):
                element = self._element(type_id)
                if element is None:
                    return None
                type_id = element
                offset += step * self._size(element)
            else:
                found = self._member(type_id, step, set())
                if found is None:
                    return None
                type_id, inside = found
                offset += inside
        return offset, self._size(type_id)

    def _head(self, type_id: int) -> tuple[Kind | None, list[int], int]:
        """(kind, the three words of its head, where the words after the head begin), typedefs and qualifiers undone."""
        for _ in range(_MAX_INDIRECTIONS):
            if not 0 < type_id < len(self._starts):
                return None, [0, 0, 0], 0
            start = int(self._starts[type_id])
            head = self._words[start : start + _RECORD_WORDS].tolist()
            kind = Kind(head[1] >> 24 & 31)
            if kind not in _TRANSPARENT:
                return kind, head, start + _RECORD_WORDS
            type_id = head[2]
        raise _malformed("endless typedef")

    def _element(self, array_id: int) -> int | None:
        kind, _, start = self._head(array_id)
        return int(self._words[start]) if kind is Kind.ARRAY else None

    def _size(self, type_id: int) -> int:
        """Bytes of one value of the type, 0 where it has no size of its own (void, functions, arrays)."""
        kind, head, _ = self._head(type_id)
        if kind is Kind.PTR:
            return _POINTER_BYTES
        return head[2] if kind in _SIZED else 0

    def _member(self, type_id: int, name: str, visited: set[int]) -> tuple[int, int] | None:
        """(type, offset in bytes) of a member. `visited`: so that each anonymous type is searched once at most."""
        kind, (_, info, _), start = self._head(type_id)
        if kind not in _COMPOSITE or start in visited:
            return None
        visited.add(start)
        for position in range(start, start + 3 * (info & 0xFFFF), 3):
            name_offset, member_type, bits = self._words[position : position + 3].tolist()
            if info >> 31:  # the upper byte is then the width of a bit field
                bits, width = bits & 0xFFFFFF, bits >> 24
            else:
                width = 0
            if name_offset:
                found = (member_type, 0) if self._is_name(name_offset, name) else None
            elif len(visited) < _MAX_ANONYMOUS:
                found = self._member(member_type, name, visited)
            else:
                found = None
            if found is not None:
                if width or bits % 8:
                    raise NotSupportedError(f"this kernel's {name} is a bit field")
                return found[0], bits // 8 + found[1]
        return None

    def _is_name(self, offset: int, name: str) -> bool:
        encoded = name.encode("ascii") + b"\0"
        return self._strings[offset : offset + len(encoded)] == encoded


def _record_starts(words: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Where records begin: how long each would be is computed for all words at once, then followed from the first."""
    end = len(words)
    info = words[1:]
    kinds = info >> 24 & 31
    following = np.arange(end, dtype=np.int64)
    following[:-1] += _FIXED_LENGTHS[kinds] + _ENTRY_LENGTHS[kinds] * (info & 0xFFFF)
    starts = array("q", [0])
    append = starts.append
    steps = following.data
    position = 0
    while position < end - _RECORD_WORDS + 1:
        append(position)
        position = steps[position]
    if position != end:
        raise _malformed("a type of unknown kind, or one beyond its end")
    return np.array(starts, np.intp)


def _malformed(what: str) -> NotSupportedError:
    return NotSupportedError(f"the kernel's BTF is not understood: {what}")
