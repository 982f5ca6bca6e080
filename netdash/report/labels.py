"""How the names of a report's rows are told."""

from __future__ import annotations

from typing import Final

from netdash.model.units import NOT_KNOWN
from netdash.recording.dimensions import INTERFACE, PORT, PROGRAM, REMOTE, USER
from netdash.recording.query import text, whole
from netdash.report.figures import Row
from netdash.services import service_name

_NAME_LIMIT: Final = 64

TITLES: Final = {
    INTERFACE.name: "Interfaces",
    PROGRAM.name: "Processes",
    USER.name: "Users",
    REMOTE.name: "Remote hosts",
    PORT.name: "Ports",
}
"""Of the sections, in their order."""

HEADERS: Final = {
    INTERFACE.name: ("interface", "kind"),
    PROGRAM.name: ("process", "user", "unit or container"),
    USER.name: ("user",),
    REMOTE.name: ("host",),
    PORT.name: ("port", "is", "service"),
}
"""Of the columns with names; the first stays whatever the width."""


def names(section: str, row: Row) -> tuple[str, ...]:
    """What stands in those columns."""
    keys = [text(key, _NAME_LIMIT) for key in row.keys]
    match section:
        case INTERFACE.name:
            return (keys[0], text(row.sums["kind"], _NAME_LIMIT))
        case PROGRAM.name:
            return (keys[0], keys[1] or NOT_KNOWN, keys[3] or keys[2])
        case PORT.name:
            return _port(keys[0], whole(row.keys[1]) or 0, keys[2])
        case _:
            return (keys[0],)


def _port(protocol: str, number: int, direction: str) -> tuple[str, str, str]:
    if not number:
        return protocol, "", ""
    side = {"in": "here", "out": "there", "forwarded": "passing"}.get(direction, direction)
    return f"{number}/{protocol}", side, service_name(number, protocol) or ""
