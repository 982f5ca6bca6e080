from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.sanitize import REPLACEMENT, sanitize

UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""General categories of Unicode of which nothing, or nobody knows what, is to be seen."""


@pytest.mark.parametrize(
    "hostile",
    [
        *("\x1b[2J", "\x9b31m", "a\rb", "a\nb", "\x00", "\x7f", "\u202eexe.txt", "\u2066x\u2069", "\u200b", "\ud800"),
        *("\u180e", "\ufff9", "\U000e0041", "\ue000", "\u0600", "\u0378", "\xad"),
    ],
)
def test_control_and_bidirectional_characters_are_replaced(hostile: str) -> None:
    clean = sanitize(hostile)
    assert REPLACEMENT in clean
    assert not any(unicodedata.category(c) in UNSEEN for c in clean)


@given(st.text(alphabet=st.characters(), max_size=200))
def test_what_comes_out_has_no_control_character_and_encodes(text: str) -> None:
    clean = sanitize(text)
    clean.encode()
    assert not any(unicodedata.category(c) in UNSEEN for c in clean)
    assert len(clean) == len(text)


def test_ordinary_text_stays() -> None:
    assert sanitize("nginx: worker [a] – ü 日本") == "nginx: worker [a] – ü 日本"


def test_length_is_bounded() -> None:
    assert len(sanitize("x" * 10_000, 64)) == 64
