"""The words of the filter language: their names, what they take, and on which tables they mean something."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

Table = Literal["interfaces", "flows", "processes", "sockets", "protocols"]
"""The tables that a filter is asked about, named as the views."""


class Kind(Enum):
    """What stands behind a word."""

    NAME = "name"
    """Part of a name, whatever the case; `=name` the whole; `*` and `?` stand for others; `/pattern/`."""
    WHOLE_NAME = "whole name"
    """As NAME, without `=` the whole name too."""
    HOST = "host"
    """An address, a network, part of a host name, `/pattern/`."""
    NET = "net"
    """A network: 10.0.0.0/8."""
    NUMBER = "number"
    """A whole number or a range of them: 80, 8000-8100."""
    PORT = "port"
    """As NUMBER, or the name of a service."""
    PROTOCOL = "protocol"
    STATE = "state"
    AMOUNT = "amount"
    """Compared with > >= < <=: 10M, 1.5MB, 900Kib."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the language."""

    name: str
    kind: Kind
    tables: frozenset[Table]
    """Where it is a property of the row itself."""
    description: str
    """For help and completion."""

    @property
    def written(self) -> str:
        """As it is typed: "port:", "rate>"."""
        return self.name + (">" if self.kind is Kind.AMOUNT else ":")


_CONNECTIONS: Final[frozenset[Table]] = frozenset({"flows", "sockets"})
_OWNED: Final[frozenset[Table]] = _CONNECTIONS | {"processes"}
_LINKED: Final[frozenset[Table]] = _CONNECTIONS | {"interfaces"}

WORDS: Final = (
    Word("proc", Kind.NAME, _OWNED, "part of the process's name"),
    Word("pid", Kind.NUMBER, _OWNED, "the process's number"),
    Word("user", Kind.WHOLE_NAME, _OWNED, "the process's user"),
    Word("unit", Kind.NAME, _OWNED, "part of the systemd unit"),
    Word("container", Kind.NAME, _OWNED, "part of the container's name"),
    Word("host", Kind.HOST, _CONNECTIONS, "address, network or host name of either end"),
    Word("net", Kind.NET, _CONNECTIONS, "network of either end"),
    Word("port", Kind.PORT, _CONNECTIONS, "local or remote port"),
    Word("sport", Kind.PORT, _CONNECTIONS, "local port"),
    Word("dport", Kind.PORT, _CONNECTIONS, "remote port"),
    Word("proto", Kind.PROTOCOL, _CONNECTIONS, "tcp, udp, icmp, ipv6, arp, a number"),
    Word("state", Kind.STATE, _LINKED, "state of the connection or interface"),
    Word("iface", Kind.WHOLE_NAME, _LINKED, "the interface"),
    Word("rate", Kind.AMOUNT, frozenset({"flows", "sockets", "processes", "interfaces"}), "both directions, a second"),
    Word("total", Kind.AMOUNT, frozenset({"flows", "sockets", "processes", "interfaces"}), "both directions, in all"),
)
"""All words, in the order in which they are offered."""

BY_NAME: Final = {word.name: word for word in WORDS}

TEXT_TABLES: Final[frozenset[Table]] = frozenset({"flows", "sockets", "processes", "interfaces"})
"""Where free text and patterns find something."""

INTERFACE_STATES: Final = ("up", "down", "unknown", "dormant", "lower-layer-down", "not-present", "testing")
"""Operational states (RFC 2863) as the Interfaces view writes them."""
