"""A snapshot as bytes and back: MessagePack, checked on the way in."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, STATION_ROW

_TABLES: Final = {1: FLOW_ROW, 2: SOCKET_ROW, 3: STATION_ROW}
"""By MessagePack's code of an extension type."""
_CODES: Final = {dtype: code for code, dtype in _TABLES.items()}


class DecodeError(ValueError):
    """The bytes are not a snapshot."""


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """MessagePack map of the fields; a table is an extension type: its rows as they lie in memory, little endian."""
    return _ENCODER.encode(snapshot)


def decode_snapshot(data: bytes | memoryview) -> Snapshot:
    """The inverse of `encode_snapshot`; tables are read-only views of `data`, which is not copied. Raises
    DecodeError."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(f"not a snapshot: {error}") from error


def _encode_table(table: object) -> msgspec.msgpack.Ext:
    if isinstance(table, np.ndarray) and table.dtype in _CODES:
        return msgspec.msgpack.Ext(_CODES[table.dtype], np.ascontiguousarray(table).view(np.uint8).data)
    raise TypeError(f"a snapshot holds no {type(table).__name__}")


def _read_table(code: int, data: memoryview) -> NDArray[np.void]:
    if code not in _TABLES:
        raise ValueError("a table of unknown kind")
    rows = np.frombuffer(data, _TABLES[code])
    rows.flags.writeable = False
    return rows


def _check_table(_: type, value: object) -> object:
    if isinstance(value, np.ndarray):
        return value
    raise ValueError("not a table")


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encode_table)
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot, dec_hook=_check_table, ext_hook=_read_table)
