"""Orders in which equal elements stay as they came."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from netdash.model.ordering import lexical_order, stable_order

_FEW_VALUES = st.sampled_from([-1.0, 0.0, 2.5, 1e18])
_ANY_VALUES = st.floats(allow_nan=False)


@given(arrays(np.float64, st.integers(0, 200), elements=st.one_of(_FEW_VALUES, _ANY_VALUES)))
def test_order_is_that_of_a_stable_sort(key: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert stable_order(key).tolist() == np.argsort(key, kind="stable").tolist()


def test_numbers_that_fill_64_bits_are_put_in_order() -> None:
    key = np.array([2**64 - 1, 5, 2**63, 5, 0, 2**64 - 1], np.uint64)
    assert stable_order(key).tolist() == [4, 1, 3, 2, 0, 5]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2), _FEW_VALUES), max_size=60))
def test_by_the_last_key_then_the_one_before(rows: list[tuple[int, int, float]]) -> None:
    first, second, third = zip(*rows, strict=True) if rows else ((), (), ())
    keys: list[NDArray[np.generic]] = [
        np.array(first, np.uint16),
        np.array(second, np.int64),
        np.array(third, np.float64),
    ]
    assert lexical_order(keys).tolist() == np.lexsort(keys).tolist()
