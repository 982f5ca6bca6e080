from __future__ import annotations

import contextlib
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.codec import DecodeError, decode_snapshot, encode_snapshot
from netdash.model.snapshot import Accounting, Health, InterfaceProtocols, SizeBucket, Traffic
from tests.unit.model.builders import flow_rows, interface, process, snapshot, socket_rows

FULL = snapshot(
    health=Health(1, 2, ("a note",)),
    accounting={"eth0": Accounting("super-packets", None, 1, 2, 3, 4, 5)},
    interfaces=(interface(rx_bytes=None), interface("lo", 1)),
    processes=(process(7),),
    flows=flow_rows({"id": 1 << 63, "local": "10.0.0.1", "remote": "2001:db8::1", "rx_bytes": 5}),
    sockets=socket_rows({"cookie": 3}, {"cookie": 4}),
    protocols={"eth0": InterfaceProtocols(tcp=Traffic(1, 2, 3, 4), sizes=(SizeBucket(1, None, 2, 3),))},
    counters={"Tcp.RetransSegs": 1},
    gauges={"Tcp.MaxConn": -1},
)


def test_round_trip() -> None:
    back = decode_snapshot(encode_snapshot(FULL))
    for field in fields(FULL):
        before, after = getattr(FULL, field.name), getattr(back, field.name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype
            assert after.tobytes() == before.tobytes()
        else:
            assert after == before


def test_every_cut_is_refused() -> None:
    data = encode_snapshot(FULL)
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            decode_snapshot(data[:length])


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_snapshot(data)


@given(st.integers(0, len(encode_snapshot(FULL)) - 1), st.integers(1, 255))
def test_a_changed_byte_gives_a_snapshot_or_is_refused(position: int, change: int) -> None:
    data = bytearray(encode_snapshot(FULL))
    data[position] ^= change
    with contextlib.suppress(DecodeError):
        decode_snapshot(bytes(data))
