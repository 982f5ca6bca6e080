from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.collector.flows import flow_ids
from netdash.collector.owners import OwnerTable, flows_of_sockets
from netdash.model.protocols import CLOSE, LISTEN
from netdash.model.tables import FLOW_ECHO, FLOW_OVERFLOW, UNKNOWN, Attribution
from tests.unit.model.builders import flow_rows, socket_rows

HOST, PEER = "10.0.0.1", "10.0.0.2"
MINE = frozenset({HOST, "127.0.0.1", "fd00::1"})
TCP_FLOW: dict[str, int | str] = {"local": HOST, "remote": PEER, "local_port": 40000, "remote_port": 443}
SECOND = 10**9


def assigned(
    flows: NDArray[np.void], sockets: NDArray[np.void], table: OwnerTable | None = None, now_ns: int = SECOND
) -> NDArray[np.void]:
    flows["id"] = flow_ids(flows)
    (table or OwnerTable()).assign(flows, sockets, MINE, now_ns)
    return flows


def test_the_five_tuple_decides() -> None:
    flows = assigned(
        flow_rows(TCP_FLOW),
        socket_rows(
            {**TCP_FLOW, "remote_port": 80, "pid": 1},
            {**TCP_FLOW, "pid": 2, "rtt_us": 1500, "retransmits": 3, "rx_payload": 10, "tx_payload": 20},
        ),
    )
    (row,) = flows
    assert (row["pid"], row["attribution"], row["state"]) == (2, Attribution.SOCKET, 1)
    assert (row["rtt_us"], row["retransmits"], row["rx_payload"], row["tx_payload"]) == (1500, 3, 10, 20)


def test_protocols_do_not_mix() -> None:
    flows = assigned(flow_rows({**TCP_FLOW, "protocol": 17}), socket_rows({**TCP_FLOW, "pid": 2}))
    assert flows["attribution"].tolist() == [Attribution.NONE]


def test_a_flow_keeps_its_owner_after_the_socket_is_gone() -> None:
    table = OwnerTable()
    assigned(flow_rows(TCP_FLOW), socket_rows({**TCP_FLOW, "pid": 2}), table)
    later = assigned(flow_rows(TCP_FLOW), socket_rows(), table, 3 * SECOND)
    assert (later["pid"][0], later["attribution"][0]) == (2, Attribution.SOCKET)
    # Ten seconds of silence, and the pair of ports may belong to somebody else.
    assigned(flow_rows(), socket_rows(), table, 14 * SECOND)
    much_later = assigned(flow_rows(TCP_FLOW), socket_rows(), table, 15 * SECOND)
    assert much_later["attribution"].tolist() == [Attribution.NONE]


def test_a_socket_on_the_port_owns_what_has_no_connection() -> None:
    udp: dict[str, int | str] = {**TCP_FLOW, "protocol": 17, "local_port": 53}
    waiting: dict[str, int | str] = {"protocol": 17, "local_port": 53, "state": CLOSE}
    on_address = assigned(flow_rows(udp), socket_rows({**waiting, "pid": 5}, {**waiting, "pid": 6, "local": HOST}))
    assert (on_address["pid"][0], on_address["attribution"][0]) == (6, Attribution.LISTENER)
    on_any = assigned(flow_rows(udp), socket_rows({**waiting, "pid": 5}))
    assert on_any["pid"].tolist() == [5]


def test_short_connections_belong_to_their_listener() -> None:
    server: dict[str, int | str] = {**TCP_FLOW, "local_port": 80, "remote_port": 50001}
    flows = assigned(flow_rows(server), socket_rows({"local_port": 80, "state": LISTEN, "pid": 9}))
    assert (flows["pid"][0], flows["attribution"][0]) == (9, Attribution.LISTENER)


def test_what_the_kernel_speaks_itself() -> None:
    ping: dict[str, int | str] = {"protocol": 1, "flags": FLOW_ECHO, "local": HOST, "remote": PEER}
    flows = assigned(
        flow_rows(
            {"ethertype": 0x0806, "protocol": 0},
            {**ping, "remote_port": 77},
            {**ping, "local_port": 77},
            {"protocol": 58, "ethertype": 0x86DD, "local": "fd00::1", "remote": "ff02::2", "remote_port": 133 << 8},
            {"protocol": 2, "local": "224.0.0.22", "remote": HOST},
        ),
        socket_rows(),
    )
    kernel, none = Attribution.KERNEL, Attribution.NONE
    assert flows["attribution"].tolist() == [kernel, kernel, none, kernel, kernel]


def test_forwarded_is_what_is_not_from_here() -> None:
    flows = assigned(
        flow_rows(
            {**TCP_FLOW, "local": "192.168.7.7"},
            {**TCP_FLOW},
            {**TCP_FLOW, "local": "224.0.0.251", "protocol": 17},
            {**TCP_FLOW, "local": "fe80::1", "remote": "fe80::2", "ethertype": 0x86DD},
            {**TCP_FLOW, "local": "2001:db8::9", "remote": "2001:db8::8", "ethertype": 0x86DD},
            {"flags": FLOW_OVERFLOW, "ethertype": 0, "protocol": 0},
        ),
        socket_rows(),
    )
    forwarded, none = Attribution.FORWARDED, Attribution.NONE
    assert flows["attribution"].tolist() == [forwarded, none, none, none, forwarded, none]


def test_flows_of_sockets_where_no_packet_is_counted() -> None:
    sockets = socket_rows(
        {**TCP_FLOW, "pid": 2, "rx_payload": 100, "tx_payload": 0},
        {**TCP_FLOW, "pid": 2, "rx_payload": 11, "tx_payload": 1},
        {**TCP_FLOW, "local_port": 1, "pid": 2, "rx_payload": 0, "tx_payload": 0},
        {"local": HOST, "remote": "127.0.0.1", "local_port": 5, "remote_port": 6, "rx_payload": 7, "tx_payload": 7},
        {"local": "fd00::1", "remote": "fd00::2", "local_port": 5, "remote_port": 6, "rx_payload": UNKNOWN},
    )
    rows = flows_of_sockets(sockets, {HOST: 2, "127.0.0.1": 1}, 1)
    figures = {(int(r["ifindex"]), int(r["local_port"])): (int(r["rx_payload"]), int(r["tx_payload"])) for r in rows}
    assert figures == {(2, 40000): (111, 1), (1, 5): (7, 7)}
    assert set(rows["rx_bytes"].tolist()) == {UNKNOWN}
