"""Ports since the start: directions, sides, bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from netdash.model.protocols import ESTABLISHED, LISTEN, TCP, UDP
from netdash.model.service_history import MAX_SERVICES, OTHERS, ServiceHistory, Side
from netdash.model.snapshot import Mode, Snapshot
from netdash.model.tables import FLOW_OVERFLOW, FLOW_ROW, SOCKET_ROW, UNKNOWN, Attribution


def flows(*values: dict[str, int]) -> NDArray[np.void]:
    table = np.zeros(len(values), FLOW_ROW)
    for index, value in enumerate(values):
        row = {"protocol": TCP, "ifindex": 2, "rx_bytes": 100, "tx_bytes": 10, "rx_packets": 3, "tx_packets": 1} | value
        for name, number in row.items():
            table[name][index] = number
    return table


def listeners(*ports: int) -> NDArray[np.void]:
    table = np.zeros(len(ports) + 1, SOCKET_ROW)
    table["protocol"], table["state"] = TCP, LISTEN
    table["local_port"][:-1] = ports
    table["state"][-1], table["local_port"][-1] = ESTABLISHED, 50000
    return table


def taken(tick: int, rows: NDArray[np.void], *ports: int) -> Snapshot:
    return Snapshot(
        float(tick), tick * 10**9, float(tick > 0), "h", Mode("ebpf", "scan"), flows=rows, sockets=listeners(*ports)
    )


def shown(history: ServiceHistory, *indices: int) -> dict[tuple[int, Side, int], list[int]]:
    rows = history.figures.of_interfaces(list(indices))
    names = ("to_bytes", "to_packets", "from_bytes", "from_packets")
    return {
        (int(row["key"]) >> 24 & 0xFF, Side(int(row["key"]) >> 16 & 0xFF), int(row["key"]) & 0xFFFF): [
            int(row[name]) for name in names
        ]
        for row in rows
    }


def test_which_port_is_the_service_and_which_way_its_bytes_went() -> None:
    history = ServiceHistory()
    rows = flows(
        {"local_port": 8443, "remote_port": 1024},
        {"local_port": 50000, "remote_port": 443},
        {"local_port": 53, "remote_port": 40000, "protocol": UDP},
        {"local_port": 40000, "remote_port": 80, "attribution": Attribution.FORWARDED},
        {"local_port": 80, "remote_port": 40001, "attribution": Attribution.FORWARDED},
    )
    history.update(taken(0, rows, 8443))
    assert not len(history.figures.rows)
    history.update(taken(1, rows, 8443))
    assert shown(history, 2) == {
        (TCP, Side.HERE, 8443): [100, 3, 10, 1],
        (TCP, Side.THERE, 443): [10, 1, 100, 3],
        (UDP, Side.HERE, 53): [100, 3, 10, 1],
        (TCP, Side.BETWEEN, 80): [110, 4, 110, 4],
    }


def test_totals_grow_rates_are_of_the_last_interval_and_interfaces_are_apart() -> None:
    history = ServiceHistory()
    one, two = ({"local_port": 50000, "remote_port": 443, "ifindex": index} for index in (2, 3))
    history.update(taken(1, flows(one, two)))
    history.update(taken(2, flows(one, one)))
    assert shown(history, 2) == {(TCP, Side.THERE, 443): [30, 3, 300, 9]}
    assert shown(history, 3) == {(TCP, Side.THERE, 443): [10, 1, 100, 3]}
    assert shown(history, 2, 3) == {(TCP, Side.THERE, 443): [40, 4, 400, 12]}
    assert shown(history) == {}
    now = history.figures.of_interfaces([2, 3])
    assert (now["to_bytes_now"].tolist(), now["from_packets_now"].tolist()) == ([20], [6])
    history.update(taken(3, flows()))
    assert history.figures.rows["from_bytes_now"].sum() == 0


def test_what_has_no_ports_is_left_out() -> None:
    history = ServiceHistory()
    history.update(taken(1, flows({"protocol": 1, "remote_port": 8}, {"flags": FLOW_OVERFLOW})))
    assert not len(history.figures.rows)


def test_payload_has_no_packets_and_another_layer_begins_anew() -> None:
    history = ServiceHistory()
    history.update(taken(1, flows({"remote_port": 443, "local_port": 50000})))
    row = {"remote_port": 443, "local_port": 50000, "rx_payload": 7, "tx_payload": 5}
    row |= dict.fromkeys(("rx_bytes", "tx_bytes", "rx_packets", "tx_packets"), UNKNOWN)
    history.update(replace(taken(2, flows(row)), mode=Mode("sockets", "scan")))
    assert shown(history, 2) == {(TCP, Side.THERE, 443): [5, 0, 7, 0]}


def test_a_full_table_loses_rows_but_no_byte() -> None:
    history = ServiceHistory()
    count = 20_000
    table = np.repeat(flows({"remote_port": 1, "local_port": 65535}), count)
    table["remote_port"] = np.arange(count) + 1
    history.update(taken(1, table))
    history.update(taken(2, flows({"remote_port": 9, "local_port": 65535, "rx_bytes": 10**6})))
    figures = history.figures.rows
    assert len(figures) <= MAX_SERVICES
    assert figures["from_bytes"].sum() == count * 100 + 10**6
    assert shown(history, 2)[TCP, Side.THERE, OTHERS][0] > 0
    assert (TCP, Side.THERE, 9) in shown(history, 2)


def test_a_copy_goes_on_by_itself() -> None:
    history = ServiceHistory()
    history.update(taken(1, flows({"remote_port": 443, "local_port": 50000})))
    twin = history.copy()
    history.update(taken(2, flows({"remote_port": 80, "local_port": 50000})))
    assert len(twin.figures.rows) == 1
