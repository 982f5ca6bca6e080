"""Packing is exact, whatever the tables hold and whatever they are packed with."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.model.packing import pack, unpack
from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW
from tests.unit.model.builders import interface, process, snapshot


def rows(dtype: np.dtype[np.void], names: list[int], seed: int) -> NDArray[np.void]:
    """Rows of random bytes with these names."""
    table = np.frombuffer(np.random.default_rng(seed).bytes(len(names) * dtype.itemsize), dtype).copy()
    table[dtype.names[0] if dtype.names else ""] = names
    return table


def random_snapshot(flows: list[int], sockets: list[int], seed: int) -> Snapshot:
    """A snapshot whose tables have these ids and cookies."""
    return snapshot(
        interfaces=(interface(rx_bytes=seed),),
        processes=(process(seed),),
        flows=rows(FLOW_ROW, flows, seed),
        sockets=rows(SOCKET_ROW, sockets, seed),
    )


NAMES = st.lists(st.one_of(st.integers(0, 8), st.integers(0, 2**64 - 1)), max_size=12)


@settings(max_examples=60)
@given(NAMES, NAMES, NAMES, NAMES, st.booleans())
def test_round_trip(flows: list[int], sockets: list[int], old_flows: list[int], old: list[int], alone: bool) -> None:
    """Also where names occur twice, are new, are gone, or stand in another order."""
    each = random_snapshot(flows, sockets, 7)
    key = None if alone else random_snapshot(old_flows, old, 9)
    again = unpack(pack(each, key), key)
    assert again.flows.tobytes() == each.flows.tobytes()
    assert again.sockets.tobytes() == each.sockets.tobytes()
    assert (again.flows.dtype, again.sockets.dtype) == (FLOW_ROW, SOCKET_ROW)
    assert (again.time, again.interfaces, again.processes, again.mode) == (
        each.time,
        each.interfaces,
        each.processes,
        each.mode,
    )


def test_what_did_not_change_takes_no_room() -> None:
    """Random rows cannot be compressed, but their difference from themselves can."""
    each = random_snapshot(list(range(500)), list(range(500)), 3)
    assert pack(each, each).size_bytes < pack(each).size_bytes / 20


def test_one_row() -> None:
    """A table of one row is in order both ways, and must not be taken for a copy."""
    each, key = random_snapshot([5], [6], 3), random_snapshot([5], [6], 4)
    assert unpack(pack(each, key), key).flows.tobytes() == each.flows.tobytes()


def test_what_messagepack_cannot_say() -> None:
    """A lone surrogate in a name, a number beyond 64 bits: nothing that comes may end the dashboard."""
    each = snapshot(host="a\udce9", counters={"x": 2**70})
    again = unpack(pack(each))
    assert (again.host, again.counters) == (each.host, each.counters)
