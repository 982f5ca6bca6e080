"""A filter's text as tokens with their positions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from netdash.model.filter.errors import FilterError

MAX_LENGTH: Final = 1000
"""Characters of a filter."""
MAX_VALUES: Final = 64
"""Values of one word."""

_WORD: Final = re.compile(r"([A-Za-z_]+)(:|>=|<=|>|<|=)")
_HEX_GROUPS: Final = re.compile(r"[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{0,4}){2,}")
"""An IPv6 or MAC address begins so: "dead:" in front is no word."""
_END_OF_TEXT: Final = re.compile(r"[\s()\"]")
_END_OF_VALUE: Final = re.compile(r"[\s(),\"]")
_CONNECTIVES: Final = {"and": "and", "&&": "and", "&": "and", "or": "or", "||": "or", "|": "or", "not": "not"}


class TokenKind(Enum):
    """What a token is."""

    OPEN = "("
    CLOSE = ")"
    AND = "and"
    OR = "or"
    NOT = "not"
    TEXT = "text"
    PATTERN = "pattern"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Value:
    """One of the values of a word, or a free text."""

    text: str
    position: int
    """Of its first character, quotes and slashes not counted."""
    is_pattern: bool = False
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` of a WORD is its name, `operator` what follows that."""

    kind: TokenKind
    position: int
    text: str = ""
    operator: str = ""
    values: tuple[Value, ...] = ()


def tokens_of(source: str) -> list[Token]:
    """All tokens. Raises FilterError."""
    if len(source) > MAX_LENGTH:
        raise FilterError(f"the filter is longer than {MAX_LENGTH} characters", MAX_LENGTH)
    tokens, at = [], 0
    while at < len(source):
        if source[at].isspace():
            at += 1
            continue
        token, at = _token(source, at)
        tokens.append(token)
    return tokens


def _token(source: str, at: int) -> tuple[Token, int]:
    char = source[at]
    if char in "()":
        return Token(TokenKind.OPEN if char == "(" else TokenKind.CLOSE, at, char), at + 1
    if char == "!":
        return Token(TokenKind.NOT, at, char), at + 1
    if char in '"/':
        value, end = _value(source, at)
        return Token(TokenKind.PATTERN if value.is_pattern else TokenKind.TEXT, at, values=(value,)), end
    word = _WORD.match(source, at)
    if word is not None and not (word[2] == ":" and _HEX_GROUPS.match(source, at)):
        return _word(source, word)
    end = _end(_END_OF_TEXT, source, at)
    text = source[at:end]
    connective = _CONNECTIVES.get(text.lower())
    if connective is not None:
        return Token(TokenKind(connective), at, text), end
    return Token(TokenKind.TEXT, at, text, values=(Value(text, at),)), end


def _word(source: str, word: re.Match[str]) -> tuple[Token, int]:
    at = word.end()
    values: list[Value] = []
    while True:
        if at < len(source) and source[at] == ",":
            raise FilterError("a value is missing before ','", at)
        value, at = _value(source, at)
        values.append(value)
        if len(values) > MAX_VALUES:
            raise FilterError(f"more than {MAX_VALUES} values", value.position)
        if at >= len(source) or source[at] != ",":
            return Token(TokenKind.WORD, word.start(), word[1], word[2], tuple(values)), at
        at += 1


def _value(source: str, at: int) -> tuple[Value, int]:
    """A quoted text, a pattern, or what stands up to the next space, comma or parenthesis (perhaps nothing)."""
    if source.startswith('"', at):
        end = source.find('"', at + 1)
        if end < 0:
            raise FilterError("the quote is never closed", at)
        value = Value(source[at + 1 : end], at + 1, is_quoted=True)
    elif source.startswith("/", at):
        end = at + 1
        while end < len(source) and source[end] != "/":
            end += 2 if source[end] == "\\" else 1
        if end >= len(source):
            raise FilterError("the pattern is never closed", at, 'put another / behind it, or write "/" in quotes')
        value = Value(source[at + 1 : end], at + 1, is_pattern=True)
    else:
        end = _end(_END_OF_VALUE, source, at)
        return Value(source[at:end], at), end
    if end + 1 < len(source) and not _END_OF_VALUE.match(source, end + 1):
        raise FilterError("a space is missing", end + 1, "what contains / or spaces stands in quotes")
    return value, end + 1


def _end(pattern: re.Pattern[str], source: str, at: int) -> int:
    found = pattern.search(source, at)
    return found.start() if found else len(source)
