from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.collector.hook_table import HookTable, StartTimes, listeners_of, noted_pids, pids_of_listeners
from netdash.collector.traffic import MOVED_ROW
from netdash.kernel.exec_trace import EXEC_KEY, ExecTrace
from netdash.kernel.socket_hooks import HOOKED_ROW, find_cgroup2
from netdash.model.protocols import ESTABLISHED, LISTEN, TCP
from netdash.model.tables import SOCKET_ROW, UNKNOWN

TICK_NS = 10_000_000


def hooked(*rows: Mapping[str, int | bytes]) -> NDArray[np.void]:
    table = np.zeros(len(rows), HOOKED_ROW)
    table["family"], table["protocol"], table["type"] = 4, TCP, 1
    for index, row in enumerate(rows):
        for name, value in row.items():
            table[name][index] = value
    return table


def start_times(living: Mapping[int, int], *programs: tuple[int, int]) -> StartTimes:
    """`living`: pid -> start ticks; `programs`: start ticks and pid."""
    started = np.array([(ticks, pid, 0) for ticks, pid in programs], EXEC_KEY)
    return StartTimes(living.get, lambda: started)


def test_differences_by_socket_and_its_process() -> None:
    table, times = HookTable(), start_times({7: 3})
    old: dict[str, int | bytes] = {
        "cookie": 1,
        "pid": 7,
        "owned_ns": 5 * TICK_NS,
        "uid": 10,
        "process_name": b"one",
        "rx_payload_bytes": 100,
    }
    assert len(table.update(hooked(old), np.array([7], np.int32), times)) == 0
    rows = hooked({**old, "rx_payload_bytes": 150}, {"cookie": 2, "tx_payload_bytes": 9}, {"cookie": 3})
    moved = table.update(rows, np.array([7, 8, UNKNOWN], np.int32), times)
    assert moved[["cookie", "pid", "rx_payload", "tx_payload", "start_ticks"]].tolist()[0] == (1, 7, 50, 0, 3)
    assert moved[["cookie", "pid", "rx_payload", "tx_payload", "uid"]].tolist()[1] == (2, 8, 0, 9, 0)
    assert moved["process_name"].tolist() == [b"one", b""]
    # The holder is gone: it is who had it.
    rows = rows.copy()
    rows["tx_payload_bytes"][1] = 10
    moved = table.update(rows, np.array([7, UNKNOWN, UNKNOWN], np.int32), times)
    assert moved[["cookie", "pid", "tx_payload"]].tolist() == [(2, 8, 1)]


def test_what_nobody_had_is_told_again_with_who_had_it() -> None:
    table, times = HookTable(), start_times({7: 3})
    table.update(hooked(), np.zeros(0, np.int32), times)
    rows = hooked({"cookie": 1, "rx_payload_bytes": 9}, {"cookie": 2, "rx_payload_bytes": 5})
    nobodys = table.update(rows, np.array([UNKNOWN, UNKNOWN], np.int32), times)
    assert nobodys["pid"].tolist() == [UNKNOWN, UNKNOWN]
    # The other counter is gone.
    assert len(table.update(rows[:1], np.array([7], np.int32), times)) == 0
    again = table.again(nobodys)
    assert again[["cookie", "pid", "start_ticks", "rx_payload"]].tolist() == [(1, 7, 3, 9)]


def test_a_total_that_steps_back_is_nothing() -> None:
    table, times = HookTable(), start_times({})
    for total in (100, 101, 100):
        moved = table.update(hooked({"cookie": 1, "rx_payload_bytes": total}), np.array([UNKNOWN], np.int32), times)
    assert len(moved) == 0


def test_closed_and_idle_counters_are_forgotten() -> None:
    table, times = HookTable(), start_times({})
    nobody = np.array([UNKNOWN, UNKNOWN], np.int32)
    looks = 0
    while not len(table.to_forget()):
        table.update(hooked({"cookie": 1, "released": 1}, {"cookie": 2}), nobody, times)
        looks += 1
    assert looks == 3
    assert table.to_forget().tolist() == [1]


def test_start_times() -> None:
    living = {7: 50}
    times = start_times(living, (20, 8), (90, 8), (40, 9))

    def resolve(*pairs: tuple[int, int]) -> list[int]:
        pids, ticks = zip(*pairs, strict=True)
        found: list[int] = times.resolve(np.array(pids, np.int32), np.array(ticks, np.int64)).tolist()
        return found

    assert resolve((7, 60)) == [50]
    # Living under that pid is another one, that started later.
    assert resolve((7, 45)) == [45]
    # Gone: the last program that it started by then; without one, when it was first seen, both times.
    assert resolve((8, 60), (10, 70), (10, 65)) == [20, 65, 65]
    assert resolve((10, 99)) == [65]
    living[10] = 100
    assert resolve((10, 101)) == [100]
    assert start_times({}).known == {}
    assert len(ExecTrace.no_processes()) == 0


def test_a_short_connection_goes_to_the_only_listener_of_its_local_end() -> None:
    sockets = np.zeros(5, SOCKET_ROW)
    sockets["protocol"], sockets["state"], sockets["inode"] = TCP, LISTEN, range(1, 6)
    sockets["pid"] = 11, 12, 13, 14, UNKNOWN
    sockets["local_port"] = 80, 81, 82, 82, 83
    sockets["local"][0, 15] = 1
    moved = np.zeros(6, MOVED_ROW)
    moved["protocol"], moved["pid"] = TCP, UNKNOWN
    moved["local"][:, 15] = 1, 2, 1, 1, 1, 1
    moved["local_port"] = 80, 80, 81, 82, 83, 81
    moved["pid"][5] = 5
    found = pids_of_listeners(moved, listeners_of(sockets))
    assert found.tolist() == [11, UNKNOWN, 12, UNKNOWN, UNKNOWN, 5]
    sockets["state"] = ESTABLISHED
    assert len(listeners_of(sockets)) == 0


def test_pids_noted() -> None:
    assert noted_pids(hooked({"pid": 0}, {"pid": 9})).tolist() == [UNKNOWN, 9]


def test_where_the_hierarchy_is_mounted() -> None:
    mounts = "cgroup /a cgroup rw 0 0\ncgroup2 /sys/fs/my\\040cgroup cgroup2 rw 0 0\nx /b cgroup2 rw 0 0\n"
    assert find_cgroup2(mounts) == "/sys/fs/my cgroup"
    assert find_cgroup2("proc /proc proc rw 0 0\n") is None


@given(st.text())
def test_any_text_of_mounts(text: str) -> None:
    path = find_cgroup2(text)
    assert path is None or "cgroup2" in text
