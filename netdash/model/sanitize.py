"""The one gate for text from outside: process names, command lines, host and interface names."""

from __future__ import annotations

from typing import Final

REPLACEMENT: Final = "·"


def sanitize(text: str, limit: int = 4096) -> str:
    """`text` with nothing but what is to be seen, at most `limit` characters.

    What `str.isprintable` does not name so is replaced: control characters (ESC starts terminal sequences, 0x9b does so
    on 8-bit terminals), lone surrogates, which cannot be encoded, separators other than the blank, invisible formats
    such as those of bidirectional text, and characters for private use or not assigned, whose width nobody knows.
    """
    text = text[:limit]
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else REPLACEMENT for char in text)
