from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.collector.splice import SpliceTable
from netdash.kernel.task_sockets import TASK_SOCKET_ROW
from tests.unit.collector.test_traffic import cumulative
from tests.unit.model.builders import socket_rows

NONE = socket_rows()


def tcp(received: int, waiting: int = 0) -> NDArray[np.void]:
    return socket_rows({"cookie": 1, "pid": 7, "has_info": 1, "rx_payload_total": received, "rqueue": waiting})


def by_calls(count: int) -> NDArray[np.void]:
    return cumulative({"cookie": 1, "pid": 7, "rx_payload_bytes": count})


def extra(rows: NDArray[np.void]) -> int:
    return int(rows["rx_payload"].sum())


def test_what_calls_received_is_no_splice() -> None:
    table = SpliceTable()
    for received, waiting, called in ((0, 0, 0), (1000, 400, 600), (5000, 0, 5000), (5000, 0, 5600)):
        assert extra(table.update(tcp(received, waiting), NONE, by_calls(called))) == 0


def test_what_was_taken_out_without_a_call_is() -> None:
    table = SpliceTable()
    table.update(NONE, NONE, by_calls(0))
    assert extra(table.update(tcp(1000, 200), NONE, by_calls(300))) == 500
    assert extra(table.update(tcp(1000, 200), NONE, by_calls(300))) == 0
    rows = table.update(tcp(2000), NONE, by_calls(300))
    assert (extra(rows), rows["pid"].tolist()) == (1200, [7])


def test_a_connection_older_than_the_look_starts_at_its_present_state() -> None:
    table = SpliceTable()
    assert extra(table.update(tcp(1_000_000), NONE, by_calls(0))) == 0
    assert extra(table.update(tcp(1_000_500), NONE, by_calls(500))) == 0


def test_a_call_that_waits_for_its_last_byte_is_taken_back() -> None:
    table = SpliceTable()
    table.update(NONE, NONE, by_calls(0))
    assert extra(table.update(tcp(700), NONE, by_calls(0))) == 700
    # The call returns: its own figure has all 1000, so 700 must not count twice.
    assert extra(table.update(tcp(1000), NONE, by_calls(1000))) == -700


def test_the_end_of_a_spliced_connection() -> None:
    table = SpliceTable()
    table.update(NONE, NONE, by_calls(0))
    table.update(tcp(1000), NONE, by_calls(0))
    assert extra(table.update(NONE, tcp(1500), by_calls(0))) == 500


def test_what_was_never_read_is_not_spliced_at_the_end() -> None:
    table = SpliceTable()
    table.update(tcp(0), NONE, by_calls(0))
    assert extra(table.update(NONE, tcp(1500), by_calls(0))) == 0


def held(received: int) -> NDArray[np.void]:
    rows = np.zeros(1, TASK_SOCKET_ROW)
    rows["cookie"], rows["pid"], rows["rx_payload_bytes"] = 1, 7, received
    return rows


def test_what_is_read_after_both_ends_have_ended_is_spliced_still() -> None:
    """The listing has no such socket any more, its process does; its end comes with no owner, or with the FIN."""
    table = SpliceTable()
    table.update(NONE, NONE, by_calls(0))
    assert extra(table.update(tcp(1000, 400), NONE, by_calls(0), held(1000))) == 600
    assert extra(table.update(NONE, NONE, by_calls(0), held(1500))) == 0
    assert extra(table.update(NONE, tcp(1501), by_calls(0))) == 900
    assert extra(table.update(NONE, tcp(1501), by_calls(0))) == 0
