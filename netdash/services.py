"""Ports of services by name (services(5))."""

from __future__ import annotations

import socket
from typing import Final

from netdash.model.sanitize import sanitize

_NAME_LIMIT: Final = 32


def service_port(name: str) -> int | None:
    """The port of a service, of TCP or else of UDP; None if there is none of that name."""
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyname(name, protocol)
        except (OSError, UnicodeError, ValueError):
            continue
    return None


def service_name(port: int, protocol: str) -> str | None:
    """The name of a port of "tcp", "udp", …; None where it has none."""
    try:
        return sanitize(socket.getservbyport(port, protocol), _NAME_LIMIT)
    except (OSError, UnicodeError, OverflowError):
        return None
