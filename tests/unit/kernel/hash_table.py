"""A hash map in the kernel with known rows."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pytest

from netdash.kernel.bpf_map import BpfMap, MapDefinition

HASH = 1
"""BPF_MAP_TYPE_HASH."""
KEY = np.dtype([("number", "<u4"), ("other", "<u4")])
VALUE = np.dtype([("value", "<u8")])


@pytest.fixture
def table() -> Iterator[BpfMap]:
    made = BpfMap("test", MapDefinition(HASH, 8, 8, 5000, 0))
    yield made
    made.close()


def fill(table: BpfMap, count: int) -> None:
    """Rows 0 to `count` - 1, of three times their number each."""
    for number in range(count):
        table.update(struct.pack("<II", number, 1), struct.pack("<Q", number * 3))
