"""Where and how a recording was made."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netdash.model.sanitize import sanitize

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_LOCAL_TIME: Final = Path("/etc/localtime")
_ZONES: Final = "/zoneinfo/"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Told once, at the start of a recording; see table `run` of schema.sql."""

    host: str
    boot_id: str
    time_zone: str
    utc_offset_seconds: int
    interval_seconds: float
    interfaces: str = ""


def facts_here(interval_seconds: float, interfaces: str = "") -> RunFacts:
    """Of this host and moment."""
    try:
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        boot_id = ""
    now = time.localtime()
    return RunFacts(
        host=sanitize(socket.gethostname(), 64),
        boot_id=sanitize(boot_id, 64),
        time_zone=sanitize(_zone_name(now.tm_zone), 64),
        utc_offset_seconds=now.tm_gmtoff,
        interval_seconds=interval_seconds,
        interfaces=sanitize(interfaces, 1024),
    )


def _zone_name(abbreviation: str) -> str:
    """The name as in "Europe/Berlin" where it can be told, else the abbreviation."""
    try:
        target = os.readlink(_LOCAL_TIME)
    except OSError:
        return abbreviation
    return target.partition(_ZONES)[2] or abbreviation
