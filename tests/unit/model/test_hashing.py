from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.hashing import group_equal, hash_columns, lookup

numbers = st.lists(st.integers(0, 2**64 - 1), max_size=50)
few = st.lists(st.integers(0, 8), max_size=50)


@given(numbers | few)
def test_groups_are_those_of_equal_ids(ids: list[int]) -> None:
    array = np.array(ids, np.uint64)
    first, groups = group_equal(array)
    assert sorted(array[first].tolist()) == sorted(set(ids))
    assert array[first][groups].tolist() == ids


@given(numbers | few, numbers | few)
def test_lookup_finds_the_first_equal_element(haystack: list[int], needles: list[int]) -> None:
    needles += haystack
    _check_lookup(haystack, needles)


@given(st.randoms(use_true_random=False), st.integers(1, 400))
def test_lookup_in_a_large_haystack(random: Random, highest: int) -> None:
    """Beyond the size from which needles are sorted; with `highest` below it, elements repeat."""
    haystack, needles = ([random.randint(0, highest) for _ in range(200)] for _ in range(2))
    _check_lookup(haystack, needles)


def _check_lookup(haystack: list[int], needles: list[int]) -> None:
    found = lookup(np.array(haystack, np.uint64), np.array(needles, np.uint64)).tolist()
    assert found == [haystack.index(needle) if needle in haystack else -1 for needle in needles]


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=50))
def test_rows_share_a_hash_only_if_they_are_equal(rows: list[tuple[int, int]]) -> None:
    columns = np.array(rows, np.uint64).reshape(-1, 2)
    hashes = hash_columns(columns[:, 0], columns[:, 1]).tolist()
    assert len(set(hashes)) == len(set(rows))


def test_a_hash_is_the_same_everywhere() -> None:
    """Flow ids of two runs must mean the same flow."""
    hashes = hash_columns(np.array([0, 1], np.uint64), np.array([2, 3], np.uint64))
    assert hashes.tolist() == [0x8DAD782CCE4A6813, 0xA311479D2A1D273F]
