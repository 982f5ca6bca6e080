"""Text in cells of a terminal: cut, padded, and never anything but printable characters."""

from __future__ import annotations

from typing import Final, Literal

from rich.cells import cell_len, set_cell_size

from netdash.model.sanitize import sanitize

Align = Literal["left", "right"]

_ASCII_FORMS: Final = str.maketrans(
    {
        "▼": "v",
        "▲": "^",
        "–": "-",
        "—": "-",
        "…": "~",
        "·": ".",
        "×": "x",
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
        "↔": "-",
        "⇒": ">",
        "⇐": "<",
        "›": ">",
        "─": "-",
        "│": "|",
        "┤": "|",
        "┼": "+",
        "●": "*",
        "µ": "u",
        "≥": ">",
        "≤": "<",
        "Σ": "S",
        "▸": ">",
        "▾": "v",
        "◂": "<",
        "±": "~",
        "►": ">",
        "−": "-",
    }
)


def ascii_text(text: str) -> str:
    """`text` in ASCII: known marks by their like, anything else as "?" of the same width."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else "?" * cell_len(char) for char in text.translate(_ASCII_FORMS))


def printable(text: str, *, ascii_only: bool = False) -> str:
    """`text` without anything that a terminal could obey.

    Text from outside was cleaned where it came in; this is the last gate before the terminal.
    """
    if not text.isprintable():
        text = sanitize(text)
    return ascii_text(text) if ascii_only else text


def width_of(text: str) -> int:
    """Cells that `text` takes on a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def number_of(number: int, one: str, many: str = "") -> str:
    """A number with its word: "1 flow", "2 flows"; `many`: where that is not `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def fit(text: str, width: int, align: Align = "left", *, ascii_only: bool = False) -> str:
    """`text` in exactly `width` cells; what is too long ends with an ellipsis."""
    if width <= 0:
        return ""
    text = printable(text, ascii_only=ascii_only)
    length = width_of(text)
    if length > width:
        return set_cell_size(text, width - 1) + ("~" if ascii_only else "…")
    padding = " " * (width - length)
    return padding + text if align == "right" else text + padding
