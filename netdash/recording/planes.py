"""Columns of numbers as bytes that zlib makes short work of.

Byte planes: all lowest bytes, then all second bytes, … without the highest planes that are all zero. Signed numbers are
zigzag coded (0, -1, 1, -2 … as 0, 1, 2, 3 …). Which rows are meant stands in bit fields, the first in the highest bit.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]

MAX_ROWS: Final = 1 << 22
"""Of a table, and known since a key frame."""


class DamagedError(ValueError):
    """What was read is not what a writer writes."""


class Numbers(msgspec.Struct, frozen=True, array_like=True):
    """Numbers, or rows of bytes, as planes."""

    count: int
    width: int
    """Planes."""
    data: bytes


def pack(words: Words) -> Numbers:
    """Unsigned numbers."""
    width = (int(words.max()).bit_length() + 7) // 8 if len(words) else 0
    return Numbers(len(words), width, words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes())


def unpack(numbers: Numbers, count: int) -> Words:
    """The inverse of `pack`. Raises DamagedError unless there are `count`."""
    padded = np.zeros((count, 8), np.uint8)
    planes = _planes(numbers, count, 8)
    padded[:, : len(planes)] = planes.T
    return padded.view("<u8").reshape(count)


def pack_bytes(rows: NDArray[np.generic]) -> Numbers:
    """A table of (n, k) small values."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return Numbers(len(flat), flat.shape[1], flat.T.tobytes())


def unpack_bytes(numbers: Numbers, count: int, width: int) -> NDArray[np.uint8]:
    """The inverse of `pack_bytes`, of shape (count, width). Raises DamagedError."""
    planes = _planes(numbers, count, width)
    if len(planes) != width:
        raise DamagedError("a column of the wrong width")
    return np.ascontiguousarray(planes.T)


def _planes(numbers: Numbers, count: int, most: int) -> NDArray[np.uint8]:
    if not (numbers.count == count <= MAX_ROWS and 0 <= numbers.width <= most):
        raise DamagedError("a column of the wrong size")
    if len(numbers.data) != numbers.width * count:
        raise DamagedError("a column of the wrong length")
    return np.frombuffer(numbers.data, np.uint8).reshape(numbers.width, count)


def zigzag(words: Words) -> Words:
    """Signed numbers (as their bits) to unsigned ones that are small where those are near 0."""
    signed = words.view(np.int64)
    return ((signed << 1) ^ (signed >> 63)).view(np.uint64)


def unzigzag(words: Words) -> Words:
    """The inverse."""
    return (words >> np.uint64(1)) ^ (np.uint64(0) - (words & np.uint64(1)))


def pack_steps(numbers: NDArray[np.intp]) -> Numbers:
    """Indices as differences to the one before."""
    return pack(zigzag(np.diff(numbers, prepend=0).astype(np.int64).view(np.uint64)))


def unpack_steps(numbers: Numbers, limit: int) -> NDArray[np.intp]:
    """The inverse. Raises DamagedError where an index is not from 0 to `limit` - 1."""
    if not 0 <= numbers.count <= MAX_ROWS:
        raise DamagedError("too many rows")
    indices = np.cumsum(unzigzag(unpack(numbers, numbers.count)).view(np.int64)).astype(np.intp)
    if len(indices) and not (int(indices.min()) >= 0 and int(indices.max()) < limit):
        raise DamagedError("a row that is not known")
    return indices


def pack_bits(mask: NDArray[np.bool_]) -> bytes:
    """A bit field; empty where all rows are meant."""
    return b"" if mask.all() else np.packbits(mask).tobytes()


def unpack_bits(bits: bytes, count: int) -> NDArray[np.bool_]:
    """The inverse. Raises DamagedError."""
    if not bits:
        return np.ones(count, np.bool_)
    if len(bits) != (count + 7) // 8:
        raise DamagedError("a bit field of the wrong length")
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=count).view(np.bool_)
