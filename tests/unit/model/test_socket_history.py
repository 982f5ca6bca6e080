"""What got worse with a socket in the last interval."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from netdash.model.protocols import CLOSE, ESTABLISHED, LISTEN, SYN_SENT, TCP, UDP
from netdash.model.snapshot import Mode, Snapshot
from netdash.model.socket_history import LONG_QUEUE_BYTES, SocketHistory, Trouble
from netdash.model.tables import SOCKET_ROW, UNKNOWN


def rows(*values: dict[str, int]) -> NDArray[np.void]:
    table = np.zeros(len(values), SOCKET_ROW)
    for index, value in enumerate(values):
        row = {"protocol": TCP, "state": ESTABLISHED, "has_info": 1, "cookie": index + 1, "tx_payload": 1} | value
        for name, number in row.items():
            table[name][index] = number
    return table


def fed(*tables: NDArray[np.void], interval: float = 1.0) -> SocketHistory:
    history = SocketHistory()
    for tick, table in enumerate(tables):
        history.update(
            Snapshot(float(tick), tick * 10**9, interval if tick else 0.0, "h", Mode("ebpf", "scan"), sockets=table)
        )
    return history


def troubles(history: SocketHistory) -> Iterable[Trouble]:
    return [Trouble(int(flags)) for flags in history.figures.trouble]


def test_a_baseline_knows_no_differences() -> None:
    figures = fed(rows({"retransmits": 5})).figures
    assert figures.new_retransmits.tolist() == [UNKNOWN]
    assert figures.trouble.tolist() == [0]


def test_differences_and_sockets_that_are_new() -> None:
    before = rows({"retransmits": 5}, {"retransmits": 1})
    after = rows({"retransmits": 7}, {"retransmits": 1}, {"retransmits": 2, "cookie": 9})
    history = fed(before, after)
    assert history.figures.new_retransmits.tolist() == [2, 0, 2]
    assert troubles(history) == [Trouble.RETRANSMITS, Trouble(0), Trouble.RETRANSMITS]


def test_a_counter_that_falls_is_no_trouble() -> None:
    assert fed(rows({"retransmits": 5}), rows({"retransmits": 3})).figures.new_retransmits.tolist() == [0]


def test_drops_are_of_datagrams_only() -> None:
    udp = {"protocol": UDP, "state": CLOSE, "has_info": 0}
    history = fed(rows(udp, {"drops": 1}), rows(udp | {"drops": 4}, {"drops": 9}))
    assert history.figures.new_drops.tolist() == [4, UNKNOWN]
    assert history.figures.new_retransmits.tolist() == [UNKNOWN, 0]
    assert troubles(history) == [Trouble.DROPS, Trouble(0)]


def test_backlog_of_a_listener() -> None:
    listener = {"state": LISTEN, "has_info": 0}
    queues = [(0, 0), (1, 0), (127, 128), (128, 128), (129, 128)]
    table = rows(*({**listener, "rqueue": waiting, "wqueue": limit} for waiting, limit in queues))
    full = Trouble.BACKLOG_FULL
    assert troubles(fed(table)) == [Trouble(0), full, Trouble(0), full, full]


def test_no_answer_not_read_and_stalled() -> None:
    table = rows(
        {"state": SYN_SENT, "retransmits": 1},
        {"rqueue": LONG_QUEUE_BYTES},
        {"wqueue": 9, "tx_payload": 0, "rtt_us": 1000},
        {"wqueue": 9, "tx_payload": 0, "rtt_us": 900_000},
        {"wqueue": 9, "tx_payload": UNKNOWN, "rtt_us": 1000},
    )
    expected = [Trouble.NO_ANSWER, Trouble.NOT_READ, Trouble.STALLED, Trouble(0), Trouble(0)]
    assert troubles(fed(table, table)) == expected
    assert Trouble.STALLED not in troubles(fed(table, table, interval=0.1))


def test_smooth_rates_follow_slowly_and_begin_at_once() -> None:
    quiet, busy = {"rx_payload": 0, "tx_payload": 0}, {"rx_payload": 900, "tx_payload": 100}
    history = fed(rows(busy), rows(busy))
    assert history.figures.smooth_rates.tolist() == [1000.0]
    history = fed(rows(busy), rows(busy), rows(quiet))
    assert 850.0 < history.figures.smooth_rates[0] < 950.0
    unknown = {"rx_payload": UNKNOWN, "tx_payload": UNKNOWN}
    assert fed(rows(unknown), rows(unknown)).figures.smooth_rates.tolist() == [-1.0]
