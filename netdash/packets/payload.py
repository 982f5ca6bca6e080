"""What the first bytes of a TCP or UDP payload say of themselves: TLS, HTTP, SSH. Pure; never raises."""

from __future__ import annotations

import re
from typing import Final

from netdash.model.sanitize import sanitize

_LIMIT: Final = 120
_HTTP: Final = re.compile(
    rb"(?:GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS|CONNECT|TRACE|PRI) [^\r\n]{1,400}|HTTP/1\.[01] \d{3}[^\r\n]{0,100}"
)
_TLS_RECORDS: Final = {20: "change cipher spec", 21: "alert", 22: "handshake", 23: "application data"}
_TLS_HANDSHAKES: Final = {1: "ClientHello", 2: "ServerHello", 4: "NewSessionTicket", 11: "Certificate", 20: "Finished"}
_SERVER_NAME: Final = 0


def describe_payload(data: bytes) -> tuple[str, str] | None:
    """(protocol, what it says) of a payload that begins with a message; None where it is not known."""
    if found := _HTTP.match(data):
        return "HTTP", sanitize(found.group().decode("latin-1"), _LIMIT)
    if data.startswith(b"SSH-"):
        return "SSH", sanitize(data.split(b"\n", 1)[0].rstrip(b"\r").decode("latin-1"), _LIMIT)
    if len(data) >= 5 and data[0] in _TLS_RECORDS and data[1] == 3 and data[2] <= 4:
        return "TLS", _describe_tls(data)
    return None


def _describe_tls(data: bytes) -> str:
    if data[0] != 22 or len(data) < 6:
        return _TLS_RECORDS[data[0]]
    kind = _TLS_HANDSHAKES.get(data[5], "handshake")
    name = server_name(data) if data[5] == 1 else None
    return f"{kind} {name}" if name else kind


def server_name(data: bytes) -> str | None:
    """The server name of a TLS record with a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3)."""
    place = 5 + 4 + 2 + 32  # record header, handshake header, version, random
    place = _skip(data, place, 1)  # session id
    place = _skip(data, place, 2)  # cipher suites
    place = _skip(data, place, 1)  # compression methods
    place += 2  # length of all extensions
    while place + 4 <= len(data):
        kind, size = (int.from_bytes(data[place + i : place + i + 2], "big") for i in (0, 2))
        place += 4
        if kind == _SERVER_NAME:
            # List length, then type 0 and the name's length.
            name = data[place + 5 : place + size]
            length = int.from_bytes(data[place + 3 : place + 5], "big")
            return sanitize(name[:length].decode("latin-1"), 253) or None
        place += size
    return None


def _skip(data: bytes, place: int, length_bytes: int) -> int:
    return place + length_bytes + int.from_bytes(data[place : place + length_bytes], "big")
