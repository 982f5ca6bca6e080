from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netdash.collector.flows import flow_ids
from netdash.collector.owners import Evidence, OwnerTable
from netdash.collector.shares import Movers, share_out
from netdash.model.protocols import CLOSE
from netdash.model.tables import FLOW_ECHO, Attribution
from tests.unit.collector.test_traffic import moved_rows
from tests.unit.model.builders import flow_rows, socket_rows

HOST, PEER = "10.0.0.1", "10.0.0.2"
FLOW: dict[str, int | str] = {"local": HOST, "remote": PEER, "local_port": 40000, "remote_port": 443}
GROUP = np.array([77], np.uint64)


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=2, max_size=6),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
)
def test_the_parts_of_a_flow_add_up_to_it(moves: list[tuple[int, int]], rx_bytes: int, tx_bytes: int) -> None:
    if not any(rx + tx for rx, tx in moves):
        moves[0] = (1, 1)
    moved = moved_rows(*({"pid": 1 + i, "rx_payload": rx, "tx_payload": tx} for i, (rx, tx) in enumerate(moves)))
    flows = flow_rows({**FLOW, "rx_bytes": rx_bytes, "tx_bytes": tx_bytes, "attribution": Attribution.EXACT})
    parts = share_out(flows, GROUP, Movers(np.repeat(GROUP, len(moved)), moved))
    assert sorted(parts["pid"].tolist()) == list(range(1, len(moves) + 1))
    assert (int(parts["rx_bytes"].sum()), int(parts["tx_bytes"].sum())) == (rx_bytes, tx_bytes)
    assert (parts["rx_bytes"] >= 0).all()


def test_each_direction_goes_by_its_own_figures() -> None:
    moved = moved_rows({"pid": 1, "rx_payload": 30}, {"pid": 2, "rx_payload": 10, "tx_payload": 5})
    flows = flow_rows({**FLOW, "rx_bytes": 4000, "tx_bytes": 600, "attribution": Attribution.EXACT})
    parts = share_out(flows, GROUP, Movers(np.repeat(GROUP, 2), moved))
    figures = {int(r["pid"]): (int(r["rx_bytes"]), int(r["tx_bytes"])) for r in parts}
    assert figures == {1: (3000, 0), 2: (1000, 600)}


def assigned(
    flow: dict[str, int | str], socket: dict[str, int | str], *moved: dict[str, int | bytes]
) -> tuple[int, int]:
    flows, sockets = flow_rows(flow), socket_rows(socket)
    flows["id"] = flow_ids(flows)
    evidence = Evidence(moved_rows(*moved), sockets["cookie"].copy(), np.zeros(0, np.uint64))
    OwnerTable().assign(flows, sockets, frozenset({HOST}), 10**9, evidence)
    return int(flows["pid"][0]), int(flows["attribution"][0])


def test_who_moved_goes_before_who_holds() -> None:
    """A child that uses its parent's socket."""
    socket: dict[str, int | str] = {**FLOW, "cookie": 5, "pid": 1}
    assert assigned(FLOW, socket, {"cookie": 5, "pid": 2, "tx_payload": 9}) == (2, Attribution.EXACT)


def test_an_idle_socket_has_its_holder() -> None:
    assert assigned(FLOW, {**FLOW, "cookie": 5, "pid": 1}) == (1, Attribution.EXACT)


def test_unconnected_datagrams_by_their_port() -> None:
    flow: dict[str, int | str] = {**FLOW, "protocol": 17}
    socket: dict[str, int | str] = {"protocol": 17, "local_port": 40000, "state": CLOSE, "cookie": 5, "pid": 1}
    mover: dict[str, int | bytes] = {"cookie": 5, "pid": 2, "protocol": 17, "tx_payload": 9}
    assert assigned(flow, socket, mover) == (2, Attribution.EXACT)


def test_raw_sockets_by_their_protocol() -> None:
    ping: dict[str, int | str] = {"protocol": 1, "flags": FLOW_ECHO, "local": HOST, "remote": PEER, "local_port": 77}
    raw: dict[str, int | bytes] = {"cookie": 9, "pid": 3, "protocol": 1, "type": 3, "tx_payload": 64}
    other: dict[str, int | str] = {**FLOW, "cookie": 5, "pid": 1}
    assert assigned(ping, other, raw) == (3, Attribution.EXACT)
    # Two of them: it is not known whose echo it is, and that is what is said.
    assert assigned(ping, other, raw, {**raw, "cookie": 10, "pid": 4}) == (-1, Attribution.NONE)
    of_ping_socket: dict[str, int | bytes] = {**raw, "type": 2, "local_port": 77}
    assert assigned(ping, other, of_ping_socket) == (3, Attribution.EXACT)
