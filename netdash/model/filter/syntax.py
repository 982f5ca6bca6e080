"""A filter as a tree. Nothing here knows a table; see `evaluation.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from netdash.model.filter.pattern import Pattern
from netdash.model.filter.words import BY_NAME, TEXT_TABLES, Table

_ADDRESS_CHARS: Final = frozenset("0123456789.:")


@dataclass(frozen=True, slots=True)
class Match:
    """One thing that a name is compared with, whatever the case."""

    text: str
    how: Literal["part", "whole", "wildcards"] = "part"

    def search(self, name: str) -> bool:
        """Whether `name` is meant."""
        lower, text = name.lower(), self.text.lower()
        if self.how == "wildcards":
            return fnmatchcase(lower, text)
        return lower == text if self.how == "whole" else text in lower


Matcher = Match | Pattern


@dataclass(frozen=True, slots=True)
class Text:
    """Free text or a pattern: anywhere in the names and addresses of a row."""

    matcher: Matcher


@dataclass(frozen=True, slots=True)
class Names:
    """proc, user, unit, container, iface: any of the matchers."""

    word: str
    matchers: tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """pid, port, sport, dport: in any of the ranges, both ends included."""

    word: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Network:
    """`prefix` bits of an address of 16 bytes (IPv4 as ::ffff:a.b.c.d, so 96 more than written)."""

    address: bytes
    prefix: int


@dataclass(frozen=True, slots=True)
class Hosts:
    """host, net: either end is in a network, or has a name or an address text that matches."""

    word: str
    networks: tuple[Network, ...]
    matchers: tuple[Matcher, ...] = ()

    @property
    def asks_names(self) -> bool:
        """Whether a matcher is more than a part of an address."""
        return any(not isinstance(m, Match) or set(m.text) - _ADDRESS_CHARS for m in self.matchers)


@dataclass(frozen=True, slots=True)
class Protocols:
    """proto: by number of the IP protocol, by EtherType, or all of IPv4 (4) or IPv6 (6)."""

    ip_protocols: frozenset[int]
    ethertypes: frozenset[int] = frozenset()
    families: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class States:
    """state: names as `model.protocols.TCP_STATES`, or as the Interfaces view writes them."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Amount:
    """rate, total: more or less than `value`, in bytes, bits, or None: the unit that the screen shows."""

    word: str
    comparison: Literal[">", ">=", "<", "<="]
    value: float
    unit: Literal["bits", "bytes"] | None

    def bytes_wanted(self, bits: bool) -> float:
        """The limit in bytes; `bits`: rates are shown in bits. Totals are always shown in bytes."""
        unit = self.unit or ("bits" if bits and self.word == "rate" else "bytes")
        return self.value / 8 if unit == "bits" else self.value


@dataclass(frozen=True, slots=True)
class Not:
    """What does not match."""

    child: Node


@dataclass(frozen=True, slots=True)
class And:
    """What matches all."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """What matches one at least."""

    children: tuple[Node, ...]


Leaf = Text | Names | Numbers | Hosts | Protocols | States | Amount
Node = Leaf | Not | And | Or


def leaves(node: Node) -> Iterator[Leaf]:
    """All parts that are not made of others."""
    if isinstance(node, Not):
        yield from leaves(node.child)
    elif isinstance(node, And | Or):
        for child in node.children:
            yield from leaves(child)
    else:
        yield node


def word_of(leaf: Leaf) -> str | None:
    """The word that a leaf was written with; None for free text."""
    if isinstance(leaf, Text):
        return None
    if isinstance(leaf, Protocols):
        return "proto"
    return "state" if isinstance(leaf, States) else leaf.word


def foreign_words(node: Node, table: Table) -> tuple[str, ...]:
    """Words as written that say nothing of a row of `table` itself."""
    strangers: dict[str, None] = {}
    for leaf in leaves(node):
        word = word_of(leaf)
        if word is None:
            if table not in TEXT_TABLES:
                strangers["free text"] = None
        elif table not in BY_NAME[word].tables:
            strangers[BY_NAME[word].written] = None
    return tuple(strangers)
