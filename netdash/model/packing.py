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
_NAME_BYTES: Final = 8
"""Both tables begin with what names a row for good: `id` of a flow, `cookie` of a socket."""


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
    is zero, and all rows' first bytes stand together, then all second ones: like stands beside like.
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
    plain = _bytes_of(rows)
    if key is not None and len(key):
        plain = plain ^ _likeness(plain[:, :_NAME_BYTES], _bytes_of(key))
    return zlib.compress(np.ascontiguousarray(plain.T).data, _LEVEL)


def _unpack_table(data: bytes, dtype: np.dtype[np.void], key: NDArray[np.void] | None) -> NDArray[np.void]:
    planes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(dtype.itemsize, -1)
    plain = np.array(planes.T, order="C")  # one row would stay a read-only view of the bytes
    if key is not None and len(key) and len(plain):
        plain_key = _bytes_of(key)
        same_place = min(len(plain), len(key))
        plain[:same_place, :_NAME_BYTES] ^= plain_key[:same_place, :_NAME_BYTES]
        plain[:, _NAME_BYTES:] ^= _likeness(plain[:, :_NAME_BYTES], plain_key)[:, _NAME_BYTES:]
    plain.flags.writeable = False
    return plain.view(dtype)[:, 0] if len(plain) else empty(dtype)


def _bytes_of(rows: NDArray[np.void]) -> NDArray[np.uint8]:
    """Shape (n, bytes of a row)."""
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.dtype.itemsize)


def _likeness(names: NDArray[np.uint8], key: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the rows with these names (n, 8) are compared with: names with those in the same place, which are mostly the
    same, all else with the key's row of the same name, or with zeros."""
    found = lookup(_numbers(key[:, :_NAME_BYTES]), _numbers(names))
    like = key[found]
    like[found < 0] = 0
    same_place = min(len(names), len(key))
    like[:, :_NAME_BYTES] = 0
    like[:same_place, :_NAME_BYTES] = key[:same_place, :_NAME_BYTES]
    return like


def _numbers(names: NDArray[np.uint8]) -> NDArray[np.uint64]:
    numbers: NDArray[np.uint64] = np.ascontiguousarray(names).view("<u8")[:, 0]
    return numbers
