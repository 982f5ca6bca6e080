"""A connection is found on every interface it crosses, from either end, and its socket by its ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.model.connection import row_of_flow, rows_of_connection, rows_of_socket, socket_of_flow
from netdash.model.protocols import ETHERTYPE_IPV4, TCP, UDP
from netdash.model.tables import FLOW_FRAGMENT, FLOW_ROW, SOCKET_ROW, pack_address

A, B, C = (pack_address(f"10.0.0.{host}") for host in (1, 2, 3))
ANY = bytes(16)


def _table(dtype: np.dtype[np.void], rows: list[dict[str, int | bytes]]) -> NDArray[np.void]:
    table = np.zeros(len(rows), dtype)
    for row, values in zip(table, rows, strict=True):
        for name, value in values.items():
            row[name] = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
    return table


def _flow(
    flow_id: int, ifindex: int, local: bytes, local_port: int, remote: bytes, remote_port: int
) -> dict[str, int | bytes]:
    return {
        "id": flow_id,
        "ifindex": ifindex,
        "protocol": TCP,
        "ethertype": ETHERTYPE_IPV4,
        "pid": 7,
        "local": local,
        "local_port": local_port,
        "remote": remote,
        "remote_port": remote_port,
    }


def test_every_interface_that_it_crosses() -> None:
    flows = _table(
        FLOW_ROW,
        [
            _flow(1, 2, A, 80, C, 5000),
            _flow(2, 2, A, 80, B, 5000),
            _flow(3, 9, B, 5000, A, 80),
            _flow(4, 2, A, 80, B, 5001),
            _flow(5, 3, A, 80, B, 5000) | {"vlan": 0x1007},
            _flow(6, 3, A, 80, B, 5000) | {"protocol": UDP},
        ],
    )
    row = row_of_flow(flows, 2)
    assert row == 1
    assert rows_of_connection(flows, row).tolist() == [1, 2, 4]
    assert row_of_flow(flows, 99) is None


def test_the_connected_socket_goes_first_and_tcp_takes_no_listener() -> None:
    sockets = _table(
        SOCKET_ROW,
        [
            {"protocol": TCP, "local": ANY, "local_port": 80, "pid": 5},
            {"protocol": UDP, "local": ANY, "local_port": 80, "pid": 6},
            {"protocol": UDP, "local": A, "local_port": 80, "pid": 7},
            {"protocol": TCP, "local": A, "local_port": 80, "remote": B, "remote_port": 5000, "pid": 8},
        ],
    )
    flows = _table(
        FLOW_ROW,
        [
            _flow(1, 2, A, 80, B, 5000),
            _flow(2, 2, A, 80, B, 5001),
            _flow(3, 2, A, 80, C, 9) | {"protocol": UDP},
            _flow(4, 2, A, 81, C, 9) | {"protocol": UDP},
        ],
    )
    assert [socket_of_flow(sockets, flow) for flow in flows] == [3, None, 2, None]


def test_the_flows_of_a_connected_socket() -> None:
    flows = _table(
        FLOW_ROW,
        [
            _flow(1, 2, A, 80, B, 5000),
            _flow(2, 3, A, 80, B, 5000),
            _flow(3, 9, B, 5000, A, 80),
            _flow(4, 2, A, 80, B, 5001),
            _flow(5, 2, A, 80, B, 5000) | {"protocol": UDP},
            _flow(6, 2, A, 80, B, 5000) | {"flags": FLOW_FRAGMENT},
        ],
    )
    ends: dict[str, int | bytes] = {"local": A, "local_port": 80, "protocol": TCP}
    connected, waiting = _table(SOCKET_ROW, [ends | {"remote": B, "remote_port": 5000}, ends])
    assert rows_of_socket(flows, connected).tolist() == [0, 1]
    assert rows_of_socket(flows, waiting).tolist() == []


def test_both_ports_of_a_flow_stand_side_by_side() -> None:
    """They are compared as one number."""
    assert FLOW_ROW.fields is not None
    offsets = [FLOW_ROW.fields[name][1] for name in ("local_port", "remote_port")]
    assert offsets == [offsets[0], offsets[0] + 2]
    assert FLOW_ROW["local_port"] == FLOW_ROW["remote_port"] == np.dtype("<u2")
