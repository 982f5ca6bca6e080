"""A snapshot as bytes and back: MessagePack, checked on the way in."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, STATION_ROW

_TABLES: Final = {"flows": FLOW_ROW, "sockets": SOCKET_ROW, "stations": STATION_ROW}
_NAMES: Final = {dtype: name for name, dtype in _TABLES.items()}


class DecodeError(ValueError):
    """The bytes are not a snapshot."""


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """MessagePack map of the fields; a table is [its name, its rows as they lie in memory, little endian]."""
    return _ENCODER.encode(snapshot)


def decode_snapshot(data: bytes) -> Snapshot:
    """The inverse of `encode_snapshot`; tables are read-only views of `data`. Raises DecodeError."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(f"not a snapshot: {error}") from error


def _encode_table(table: object) -> object:
    if isinstance(table, np.ndarray) and table.dtype in _NAMES:
        return _NAMES[table.dtype], np.ascontiguousarray(table).view(np.uint8).data
    raise TypeError(f"a snapshot holds no {type(table).__name__}")


def _decode_table(_: type, value: object) -> object:
    match value:
        case [str(name), bytes(data)] if name in _TABLES:
            return np.frombuffer(data, _TABLES[name])
    raise ValueError("not a table")


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encode_table)
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot, dec_hook=_decode_table)
