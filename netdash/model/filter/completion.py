"""What may follow what is typed of a filter: words, and values that are there now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from netdash.model.filter.words import BY_NAME, WORDS, Kind

MAX_OPTIONS: Final = 20

Values = Callable[[str], Iterable[str]]
"""By the name of a word ("proc") the values that it could have now."""

_BREAKS: Final = frozenset(" \t(!")
_QUOTED: Final = frozenset(' \t(),"')


@dataclass(frozen=True, slots=True)
class Completion:
    """The piece of a filter from `start` to `end` may become any of `options`."""

    start: int
    end: int
    options: tuple[str, ...]

    def insert(self, text: str, option: str) -> tuple[str, int]:
        """The filter with an option in it, and where the cursor stands then."""
        return text[: self.start] + option + text[self.end :], self.start + len(option)

    @property
    def common(self) -> str:
        """What all options begin with."""
        if not self.options:
            return ""
        first, last = min(self.options), max(self.options)
        length = next((at for at, char in enumerate(first) if last[at : at + 1] != char), len(first))
        return first[:length]


def complete(text: str, cursor: int, values: Values) -> Completion:
    """What the piece that ends at the cursor may become: a word, or a value of the word before it."""
    begin = cursor
    while begin > 0 and text[begin - 1] not in _BREAKS:
        begin -= 1
    piece = text[begin:cursor]
    name, colon, typed = piece.partition(":")
    word = BY_NAME.get(name.lower())
    if not colon:
        options = [each.written for each in WORDS if each.written.startswith(piece.lower())]
        return Completion(begin, cursor, tuple(options))
    if word is None or word.kind is Kind.AMOUNT:
        return Completion(cursor, cursor, ())
    typed = typed.rpartition(",")[2]
    start = cursor - len(typed)
    fitting = sorted({value for value in values(word.name) if value.lower().startswith(typed.lower().lstrip('"'))})
    return Completion(start, cursor, tuple(_written(value) for value in fitting[:MAX_OPTIONS]))


def _written(value: str) -> str:
    """In quotes where the value would end early without."""
    needs_quotes = value.startswith(("/", "=")) or not _QUOTED.isdisjoint(value)
    return f'"{value.replace(chr(34), "")}"' if needs_quotes else value
