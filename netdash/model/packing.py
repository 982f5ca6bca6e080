"""Snapshots packed small in memory: tables as differences from those of a key snapshot, byte plane by byte plane."""

from __future__ import annotations

import pickle
import zlib
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netdash.model.codec import decode_snapshot, encode_snapshot
from netdash.model.hashing import lookup
from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, empty

_LEVEL: Final = 1
"""Of zlib. Higher ones take several times as long for a tenth less."""
_PLAIN: Final = b"m"
_PICKLED: Final = b"p"
_WORD_BYTES: Final = 8
"""Rows of both tables are whole words; the first names the row for good: `id` of a flow, `cookie` of a socket."""
_COUNT_BYTES: Final = 8


class Packed(NamedTuple):
    """One snapshot; only together with the key snapshot that it was packed with can it be read."""

    rest: bytes
    """All but the tables: `encode_snapshot`, compressed."""
    flows: bytes
    sockets: bytes

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        return sum(len(part) for part in self)


def pack(snapshot: Snapshot, key: Snapshot | None = None) -> Packed:
    """`key`: a snapshot from not long before; None: packed by itself.

    A row is written as its difference (exclusive or) from the key's row of the same name, so that what did not change
    is zero, and all rows' first bytes stand together, then all second ones: like stands beside like. Where all rows are
    zero, the plane is left out: mostly that is most of them.
    """
    rest = replace(snapshot, flows=empty(FLOW_ROW), sockets=empty(SOCKET_ROW))
    return Packed(
        zlib.compress(_encode(rest), _LEVEL),
        _pack_table(snapshot.flows, key.flows if key else None),
        _pack_table(snapshot.sockets, key.sockets if key else None),
    )


def unpack(packed: Packed, key: Snapshot | None = None) -> Snapshot:
    """The inverse, with the same `key`. The tables are read-only, as those that come from the collector."""
    return replace(
        _decode(zlib.decompress(packed.rest)),
        flows=_unpack_table(packed.flows, FLOW_ROW, key.flows if key else None),
        sockets=_unpack_table(packed.sockets, SOCKET_ROW, key.sockets if key else None),
    )


def _encode(rest: Snapshot) -> bytes:
    try:
        return _PLAIN + encode_snapshot(rest)
    except (UnicodeEncodeError, OverflowError):
        # A name or a number that MessagePack has no form for. The bytes never leave this process.
        return _PICKLED + pickle.dumps(rest)


def _decode(data: bytes) -> Snapshot:
    if data[:1] == _PLAIN:
        return decode_snapshot(data[1:])
    rest = pickle.loads(data[1:])
    assert isinstance(rest, Snapshot)
    return rest


def _pack_table(rows: NDArray[np.void], key: NDArray[np.void] | None) -> bytes:
    """How many rows, which byte planes are not all zero, and those."""
    words = _words_of(rows)
    if key is not None and len(key):
        words = words ^ _likeness(words[:, 0], _words_of(key))
    plain = words.view(np.uint8)
    used = np.bitwise_or.reduce(words, axis=0).view(np.uint8) != 0
    planes = np.empty((np.count_nonzero(used), len(rows)), np.uint8)
    for plane, column in zip(planes, np.flatnonzero(used), strict=True):
        plane[:] = plain[:, column]
    return len(rows).to_bytes(_COUNT_BYTES, "little") + np.packbits(used).tobytes() + zlib.compress(planes.data, _LEVEL)


def _unpack_table(data: bytes, dtype: np.dtype[np.void], key: NDArray[np.void] | None) -> NDArray[np.void]:
    rows = int.from_bytes(data[:_COUNT_BYTES], "little")
    begin = _COUNT_BYTES + (dtype.itemsize + 7) // 8
    used = np.unpackbits(np.frombuffer(data[_COUNT_BYTES:begin], np.uint8), count=dtype.itemsize)
    planes = np.frombuffer(zlib.decompress(data[begin:]), np.uint8).reshape(np.count_nonzero(used), rows)
    words = np.zeros((rows, dtype.itemsize // _WORD_BYTES), np.uint64)
    plain = words.view(np.uint8)
    for plane, column in zip(planes, np.flatnonzero(used), strict=True):
        plain[:, column] = plane
    if key is not None and len(key) and rows:
        key_words = _words_of(key)
        same_place = min(rows, len(key))
        words[:same_place, 0] ^= key_words[:same_place, 0]
        words[:, 1:] ^= _likeness(words[:, 0], key_words)[:, 1:]
    words.flags.writeable = False
    return words.view(dtype)[:, 0] if rows else empty(dtype)


def _words_of(rows: NDArray[np.void]) -> NDArray[np.uint64]:
    """Shape (n, words of a row), the row's name first."""
    words = rows.dtype.itemsize // _WORD_BYTES
    return np.ascontiguousarray(rows).view(np.uint64).reshape(len(rows), words)


def _likeness(names: NDArray[np.uint64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What the rows with these names are compared with: names with those in the same place, which are mostly the same,
    all else with the key's row of the same name, or with zeros."""
    found = lookup(key[:, 0], names)
    like = key.take(found, axis=0)
    like[found < 0] = 0
    same_place = min(len(names), len(key))
    like[:, 0] = 0
    like[:same_place, 0] = key[:same_place, 0]
    return like
