"""bpf(2) and the maps against the running kernel."""

from __future__ import annotations

import errno
import os
import struct

import numpy as np
import pytest

from netdash.kernel.bpf import BpfError, Program, ProgramRejectedError, ProgramType, wait_for_running_programs
from netdash.kernel.bpf_map import BpfMap, MapDefinition, MapType, possible_cpus
from tests.unit.kernel.hash_table import HASH, KEY, VALUE, fill, table

__all__ = ["table"]

pytestmark = pytest.mark.root

ARRAY = 2
RETURN_7 = struct.pack("<BBhi", 0xB7, 0, 0, 7) + struct.pack("<BBhi", 0x95, 0, 0, 0)
READ_UNSET_REGISTER = struct.pack("<BBhi", 0xBF, 0x20, 0, 0) + RETURN_7[8:]


def as_dict(keys: np.ndarray, values: np.ndarray) -> dict[int, int]:
    return dict(zip(keys["number"].tolist(), values["value"].tolist(), strict=True))


def test_update_lookup_delete(table: BpfMap) -> None:
    key = struct.pack("<II", 1, 2)
    assert table.lookup(key) is None
    table.update(key, b"12345678")
    assert table.lookup(key) == b"12345678"
    table.delete(key)
    assert table.lookup(key) is None
    with pytest.raises(BpfError, match="BPF_MAP_DELETE_ELEM: No such file") as caught:
        table.delete(key)
    assert caught.value.errno == errno.ENOENT


def test_a_full_map_says_so() -> None:
    table = BpfMap("tiny", MapDefinition(HASH, 8, 8, 1, 0))
    try:
        fill(table, 1)
        with pytest.raises(BpfError) as caught:
            table.update(bytes(8), bytes(8))
        assert caught.value.errno == errno.E2BIG
    finally:
        table.close()


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_drain_moves_everything_out(table: BpfMap, count: int) -> None:
    fill(table, count)
    keys, values = table.drain(KEY, VALUE)
    assert as_dict(keys, values) == {number: number * 3 for number in range(count)}
    assert len(table.drain(KEY, VALUE)[0]) == 0
    assert len(keys) == count


def test_drained_rows_outlive_the_next_drain(table: BpfMap) -> None:
    fill(table, 10)
    keys, values = table.drain(KEY, VALUE)
    before = as_dict(keys, values)
    fill(table, 3000)
    table.drain(KEY, VALUE)
    assert as_dict(keys, values) == before


def test_drain_without_batches_gives_the_same(table: BpfMap) -> None:
    fill(table, 1000)
    keys, values = np.zeros(2000, KEY), np.zeros(2000, VALUE)
    assert table.drain_by_key(keys, values) == 1000
    assert as_dict(keys[:1000], values[:1000]) == {number: number * 3 for number in range(1000)}
    assert table.next_key(None) is None


def test_drain_by_key_stops_where_its_room_ends(table: BpfMap) -> None:
    fill(table, 10)
    keys, values = np.zeros(4, KEY), np.zeros(4, VALUE)
    assert table.drain_by_key(keys, values) == 4
    assert len(table.drain(KEY, VALUE)[0]) == 6


def test_drain_refuses_rows_of_another_size(table: BpfMap) -> None:
    with pytest.raises(ValueError, match="rows of other size"):
        table.drain(KEY, np.dtype([("value", "<u4")]))


def test_drain_of_a_small_interval_stays_small() -> None:
    """The result for few flows in a large map must not hold the map's size in memory."""
    table = BpfMap("large", MapDefinition(HASH, 8, 256, 500_000, 1))
    try:
        table.update(bytes(8), bytes(256))
        before = resident_bytes()
        kept = [table.drain(KEY, np.dtype([("value", "u1", 256)])) for _ in range(4)]
        assert resident_bytes() - before < 4 * 8_000_000 < kept[0][1].itemsize * 500_000
    finally:
        table.close()


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_per_cpu_values_are_one_per_possible_cpu() -> None:
    table = BpfMap("per_cpu", MapDefinition(MapType.PERCPU_HASH, 4, 4, 10, 0))
    try:
        table.update(bytes(4), b"".join(struct.pack("<Q", cpu + 1) for cpu in range(possible_cpus())))
        _, values = table.drain(np.dtype([("key", "<u4")]), np.dtype([("value", "<u8", possible_cpus())]))
        assert values["value"].tolist() == [[cpu + 1 for cpu in range(possible_cpus())]]
    finally:
        table.close()


def test_program_runs_and_closes() -> None:
    program = Program("seven", ProgramType.SOCKET_FILTER, RETURN_7, "GPL")
    try:
        assert program.test_run(bytes(60)) == 7
        assert program.statistics().program_id > 0
        with pytest.raises(BpfError, match="BPF_PROG_TEST_RUN"):
            program.test_run(bytes(5))
    finally:
        program.close()
        program.close()
    with pytest.raises(BpfError):
        program.statistics()


def test_rejected_program_tells_the_verifiers_reason() -> None:
    with pytest.raises(ProgramRejectedError, match="R2 !read_ok") as caught:
        Program("bad", ProgramType.SOCKET_FILTER, READ_UNSET_REGISTER, "GPL")
    assert "R2 !read_ok" in caught.value.log


def test_waiting_for_programs_returns() -> None:
    wait_for_running_programs()
