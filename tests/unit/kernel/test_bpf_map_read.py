"""Maps that are read while programs write them, and keys deleted in bulk."""

from __future__ import annotations

import numpy as np
import pytest

from netdash.kernel.bpf_map import BpfMap
from tests.unit.kernel.hash_table import KEY, VALUE, fill, table

__all__ = ["table"]

pytestmark = pytest.mark.root


def keys_of(*numbers: int) -> np.ndarray:
    keys = np.zeros(len(numbers), KEY)
    keys["number"] = numbers
    keys["other"] = 1
    return keys


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_reading_leaves_everything_there(table: BpfMap, count: int) -> None:
    fill(table, count)
    for _ in range(2):
        keys, values = table.read(KEY, VALUE)
        assert len(keys) == count
        read = dict(zip(keys["number"].tolist(), values["value"].tolist(), strict=True))
        assert read == {number: number * 3 for number in range(count)}


def test_reading_refuses_rows_of_another_size(table: BpfMap) -> None:
    with pytest.raises(ValueError, match="rows of other size"):
        table.read(VALUE, np.dtype([("value", "<u4")]))


def test_absent_keys_do_not_hinder_the_others(table: BpfMap) -> None:
    fill(table, 10)
    assert table.delete_all(keys_of(0, 77, 1, 78, 79, 2)) == 3
    assert table.delete_all(keys_of(0, 1, 2)) == 0
    assert table.delete_all(keys_of()) == 0
    assert table.delete_all(keys_of(9, 8)) == 2
    assert sorted(table.read(KEY, VALUE)[0]["number"].tolist()) == [3, 4, 5, 6, 7]
