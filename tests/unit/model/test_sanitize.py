from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.sanitize import REPLACEMENT, sanitize


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2J", "\x9b31m", "a\rb", "a\nb", "\x00", "\x7f", "\u202eexe.txt", "\u2066x\u2069", "\u200b", "\ud800"],
)
def test_control_and_bidirectional_characters_are_replaced(hostile: str) -> None:
    clean = sanitize(hostile)
    assert REPLACEMENT in clean
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in clean)


@given(st.text(alphabet=st.characters(), max_size=200))
def test_what_comes_out_has_no_control_character_and_encodes(text: str) -> None:
    clean = sanitize(text)
    clean.encode()
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in clean)
    assert len(clean) == len(text)


def test_ordinary_text_stays() -> None:
    assert sanitize("nginx: worker [a] – ü 日本") == "nginx: worker [a] – ü 日本"


def test_length_is_bounded() -> None:
    assert len(sanitize("x" * 10_000, 64)) == 64
