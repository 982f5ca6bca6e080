"""Ports of services by name (services(5))."""

from __future__ import annotations

import socket


def service_port(name: str) -> int | None:
    """The port of a service, of TCP or else of UDP; None if there is none of that name."""
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyname(name, protocol)
        except (OSError, UnicodeError, ValueError):
            continue
    return None
