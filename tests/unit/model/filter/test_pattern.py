"""Patterns find what Python's re finds, in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.model.filter.errors import FilterError
from netdash.model.filter.pattern import Pattern

_atoms = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "[a-c1]", "\\d", "\\D", "\\w", "\\S", "(a|b)", "(?:ab)", "(a|)", "1", "\\."]
)
_repeats = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?"])
_sequence = st.lists(st.tuples(_atoms, _repeats).map("".join), max_size=4).map("".join)
_grouped = st.tuples(_sequence, _repeats).map(lambda parts: f"({parts[0]}){parts[1]}")
_part = st.one_of(_sequence, _grouped, st.sampled_from(["^", "$"]))
_patterns = st.lists(_part, min_size=1, max_size=3).map("".join) | st.tuples(_part, _part).map("|".join)


@given(_patterns, st.lists(st.text("abAB1. c", max_size=7), min_size=1, max_size=4))
@settings(max_examples=120, deadline=None)
def test_finds_what_re_finds(source: str, texts: list[str]) -> None:
    pattern = Pattern(source)
    known = re.compile(source.replace("$", r"\Z"), re.IGNORECASE)
    for text in texts:
        assert pattern.search(text) == bool(known.search(text)), (source, text)


@pytest.mark.parametrize("source", ["(a+)+$", "(a|aa)*b$", "(.*.*.*)*x", "(a?){40}a{40}", "(a|b)*a(a|b){12}c"])
def test_patterns_that_make_re_hang_end(source: str) -> None:
    """With backtracking each of these takes longer than the test may."""
    assert not Pattern(source).search("a" * 39 + "!")


@pytest.mark.parametrize("source", ["((a{99}){99}){99}", "(" * 30 + "a" + ")" * 30, "\\1", "(?i)a", "a{101}", "[b-a]"])
def test_what_cannot_be_bounded_is_refused(source: str) -> None:
    with pytest.raises(FilterError):
        Pattern(source)


def test_tells_what_cannot_match_an_alphabet() -> None:
    assert not Pattern("nginx").can_match("0123456789.")
    assert Pattern("^10|x").can_match("0123456789.")
