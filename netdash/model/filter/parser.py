"""Tokens to a tree: `or` binds least, then `and` (which needs not be written), then `not`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from netdash.model.filter.errors import FilterError
from netdash.model.filter.lexer import Token, TokenKind, tokens_of
from netdash.model.filter.syntax import And, Node, Not, Or, Text
from netdash.model.filter.values import ServicePort, leaf_of, text_matcher
from netdash.model.filter.words import BY_NAME, WORDS, Kind

MAX_DEPTH: Final = 32
"""Nesting of parentheses and `not`."""

_ALIASES: Final = {
    "process": "proc",
    "program": "proc",
    "src": "host",
    "dst": "host",
    "interface": "iface",
    "dev": "iface",
    "if": "iface",
    "protocol": "proto",
    "ip": "host",
    "network": "net",
    "uid": "user",
    "service": "port",
    "bandwidth": "rate",
}
"""Words of other programs, for the hint of an error."""


def parse(source: str, service_port: ServicePort) -> Node:
    """The tree of a filter. Raises FilterError."""
    tokens = tokens_of(source)
    if not tokens:
        raise FilterError("the filter is empty", 0)
    parser = _Parser(tokens, len(source), service_port)
    node = parser.alternatives(0)
    parser.expect_end()
    return node


class _Parser:
    """Recursive descent."""

    def __init__(self, tokens: list[Token], length: int, service_port: ServicePort) -> None:
        self._tokens = tokens
        self._length = length
        self._service_port = service_port
        self._at = 0

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _skip(self, kind: TokenKind) -> bool:
        token = self._peek()
        if token is None or token.kind is not kind:
            return False
        self._at += 1
        return True

    def expect_end(self) -> None:
        """Raises FilterError where something is left over."""
        token = self._peek()
        if token is not None:
            raise FilterError("')' without '('", token.position)

    def alternatives(self, depth: int) -> Node:
        """Parts joined by `or`."""
        parts = [self._all_of(depth)]
        while self._skip(TokenKind.OR):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self, depth: int) -> Node:
        parts = [self._negated(depth)]
        while (token := self._peek()) is not None and token.kind not in (TokenKind.OR, TokenKind.CLOSE):
            self._skip(TokenKind.AND)
            parts.append(self._negated(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negated(self, depth: int) -> Node:
        negations = 0
        while self._skip(TokenKind.NOT):
            negations += 1
        node = self._primary(depth)
        return Not(node) if negations % 2 else node

    def _primary(self, depth: int) -> Node:
        token = self._peek()
        if token is None:
            raise FilterError("something is missing", self._length)
        self._at += 1
        match token.kind:
            case TokenKind.OPEN:
                return self._group(token, depth)
            case TokenKind.WORD:
                return self._word(token)
            case TokenKind.TEXT | TokenKind.PATTERN:
                value = token.values[0]
                if not value.text:
                    raise FilterError("nothing is searched for", token.position)
                return Text(text_matcher(value))
            case _:
                raise FilterError(f"something is missing before '{token.text}'", token.position)

    def _group(self, token: Token, depth: int) -> Node:
        if depth >= MAX_DEPTH:
            raise FilterError(f"parentheses are nested deeper than {MAX_DEPTH}", token.position)
        node = self.alternatives(depth + 1)
        if not self._skip(TokenKind.CLOSE):
            raise FilterError("'(' is never closed", token.position)
        return node

    def _word(self, token: Token) -> Node:
        word = BY_NAME.get(token.text.lower())
        if word is None:
            raise FilterError(
                f"unknown word '{token.text}{token.operator}'",
                token.position,
                _hint(token.text.lower(), token.operator),
            )
        if token.operator != ":" and word.kind is not Kind.AMOUNT:
            where = token.position + len(token.text)
            raise FilterError(f"'{token.operator}' does not go with {word.name}", where, f"write {word.written}")
        return leaf_of(word, token, self._service_port)


def _hint(name: str, operator: str) -> str:
    close = [_ALIASES[name]] if name in _ALIASES else get_close_matches(name, BY_NAME, n=1, cutoff=0.5)
    if close:
        return f"do you mean {BY_NAME[close[0]].written}?"
    words = " ".join(word.written for word in WORDS)
    return f'words are {words}; "{name}{operator}…" in quotes is searched for as text'
