from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netdash.collector.sockets import SocketTable
from netdash.kernel.sock_diag import SOCKET_ROW as KERNEL_ROW
from netdash.model.tables import UNKNOWN


def kernel_rows(*rows: Mapping[str, int]) -> NDArray[np.void]:
    table = np.zeros(len(rows), KERNEL_ROW)
    table["protocol"], table["state"], table["has_info"] = 6, 1, 1
    for index, row in enumerate(rows):
        for name, value in row.items():
            table[name][index] = value
    return table


def pids(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


NONE = kernel_rows()


def test_the_first_look_knows_no_difference() -> None:
    rows, _ = SocketTable().update(kernel_rows({"cookie": 1, "rx_payload_bytes": 500}), pids(7), NONE)
    assert (rows["pid"][0], rows["rx_payload"][0], rows["rx_payload_total"][0]) == (7, UNKNOWN, 500)


def test_later_looks_do_and_new_sockets_count_from_zero() -> None:
    table = SocketTable()
    table.update(kernel_rows({"cookie": 1, "rx_payload_bytes": 500}), pids(7), NONE)
    rows, _ = table.update(
        kernel_rows({"cookie": 2, "tx_payload_bytes": 9}, {"cookie": 1, "rx_payload_bytes": 650}), pids(8, 7), NONE
    )
    assert dict(zip(rows["cookie"].tolist(), rows["rx_payload"].tolist(), strict=True)) == {1: 150, 2: 0}
    assert dict(zip(rows["cookie"].tolist(), rows["tx_payload"].tolist(), strict=True)) == {1: 0, 2: 9}


def test_closed_sockets_keep_their_owner_and_their_last_bytes() -> None:
    table = SocketTable()
    table.update(kernel_rows({"cookie": 1, "rx_payload_bytes": 500, "inode": 77, "uid": 1000}), pids(7), NONE)
    rows, ended = table.update(
        NONE,
        pids(),
        kernel_rows({"cookie": 1, "rx_payload_bytes": 650}, {"cookie": 5, "tx_payload_bytes": 40}),
    )
    assert len(rows) == 0
    found = {int(r["cookie"]): (int(r["pid"]), int(r["rx_payload"]), int(r["tx_payload"])) for r in ended}
    assert found == {1: (7, 150, 0), 5: (UNKNOWN, 0, 40)}


def test_a_socket_that_closed_while_it_was_listed_counts_once() -> None:
    table = SocketTable()
    table.update(kernel_rows({"cookie": 1}), pids(7), NONE)
    rows, ended = table.update(
        kernel_rows({"cookie": 1, "rx_payload_bytes": 10}), pids(7), kernel_rows({"cookie": 1, "rx_payload_bytes": 12})
    )
    assert len(rows) == 0
    assert ended["rx_payload"].tolist() == [12]


def test_datagram_sockets_have_no_counter() -> None:
    table = SocketTable()
    udp = {"cookie": 1, "protocol": 17, "has_info": 0}
    table.update(kernel_rows(udp), pids(7), NONE)
    rows, _ = table.update(kernel_rows(udp), pids(7), NONE)
    assert rows["rx_payload"].tolist() == [UNKNOWN]


def test_a_total_that_falls_by_the_fin_gives_no_negative_rate() -> None:
    table = SocketTable()
    table.update(kernel_rows({"cookie": 1, "rx_payload_bytes": 101}), pids(7), NONE)
    rows, _ = table.update(kernel_rows({"cookie": 1, "rx_payload_bytes": 100}), pids(7), NONE)
    assert rows["rx_payload"].tolist() == [0]
