from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.units import NOT_KNOWN, Units, count, scaled


@pytest.mark.parametrize(
    ("value", "iec", "expected"),
    [
        (0, False, ("0", "")),
        (7, False, ("7", "")),
        (999, False, ("999", "")),
        (999.4, False, ("999", "")),
        (999.6, False, ("1.00", "k")),
        (1000, False, ("1.00", "k")),
        (9_994, False, ("9.99", "k")),
        (9_996, False, ("10.0", "k")),
        (99_960, False, ("100", "k")),
        (7_670_000, False, ("7.67", "M")),
        (1024, True, ("1.00", "Ki")),
        (0.5, False, ("0.50", "")),
        (-1500, False, ("-1.50", "k")),
    ],
)
def test_three_digits_and_prefix(value: float, iec: bool, expected: tuple[str, str]) -> None:
    assert scaled(value, iec) == expected


@given(st.floats(min_value=0, max_value=1e18), st.booleans())
def test_never_wider_than_five_digits_and_never_off_by_more_than_half_a_percent(value: float, iec: bool) -> None:
    digits, prefix = scaled(value, iec)
    step = 1024 if iec else 1000
    power = ("", "k", "M", "G", "T", "P", "E").index(prefix.replace("i", "").replace("K", "k"))
    assert len(digits) <= 5
    assert float(digits) * step**power == pytest.approx(value, rel=0.0051, abs=0.0051)


def test_rates_in_bits_and_bytes() -> None:
    assert Units(bits=True).rate(958_750) == "7.67Mb"
    assert Units(bits=False).rate(958_750) == "959kB"
    assert Units(bits=False, iec=True).rate(1 << 20) == "1.00MiB"
    assert Units().rate_per_second(958_750) == "7.67 Mb/s"


def test_volumes_are_bytes_whatever_the_rates_are() -> None:
    assert Units(bits=True).volume(7_510_000) == "7.51MB"
    assert Units(bits=False).volume(7_510_000) == "7.51MB"


def test_not_known_is_not_zero() -> None:
    assert Units().rate(None) == Units().volume(None) == count(None) == Units().speed(None) == NOT_KNOWN


def test_link_speed_is_short() -> None:
    assert Units().speed(10_000_000_000) == "10Gb"
    assert Units().speed(2_500_000_000) == "2.5Gb"
    assert Units().speed(100_000_000) == "100Mb"
