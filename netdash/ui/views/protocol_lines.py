"""The lines around the tables of the Protocols view: whose figures these are, and what those under the cursor mean."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import Final

from netdash.model.protocol_history import ProtocolFigures
from netdash.model.snapshot import Interface
from netdash.ui.text import number_of
from netdash.ui.theme import Tone
from netdash.ui.views.counter_rules import finding
from netdash.ui.views.counter_texts import meaning
from netdash.ui.views.protocol_keys import Page
from netdash.ui.widgets.text_line import Part

PAGE_WORDS: Final = {
    Page.SIZES: "frames with headers, since the start; >MTU: offload, or a wrong MTU",
    Page.PORTS: "→ to it, ← from it; of a listener here, else the lower of both",
    Page.GENERAL: "packets since the start, both directions",
}
"""What the figures of a page mean, where its rows say nothing of their own."""

_ROW_WORDS: Final = {
    Page.GENERAL: "interface",
    Page.PORTS: "port",
    Page.STATIONS: "station",
    Page.COUNTERS: "counter",
}
"""What is counted below a page of which not all rows may be in sight."""


def place_parts(chosen: str | None, headline: Sequence[Interface], *, of_process: bool) -> list[Part]:
    """Of which interface; `chosen` None: of all of `headline`. `of_process`: the scope is one process."""
    parts: list[Part] = [" ◂ "]
    if chosen is None:
        names = ", ".join(interface.name for interface in headline)
        physical = all(interface.kind == "physical" for interface in headline)
        parts += [("all physical" if physical else "all", Tone.ACCENT), f": {names}" if names else ""]
    else:
        parts.append((chosen, Tone.ACCENT))
    parts.append(" ▸")
    if of_process:
        parts.append((" all processes: packets are not counted by process", Tone.WARN))
    return parts


def counted_parts(page: Page, number: int) -> list[Part]:
    """How many rows there are."""
    return [(f"{number_of(number, _ROW_WORDS[page])} ", Tone.DIM)] if page in _ROW_WORDS else []


def since_parts(figures: ProtocolFigures, since: float | None) -> list[Part]:
    """How many sockets there are, and when the totals begin, in seconds since the epoch."""
    used = figures.gauges.get("Sockstat.sockets.used")
    parts: list[Part] = [(f"{used} sockets in use  ", Tone.DIM)] if used is not None else []
    if since is not None:
        parts.append((time.strftime("since %H:%M:%S ", time.localtime(since)), Tone.DIM))
    return parts


def counter_parts(figures: ProtocolFigures | None, name: Hashable) -> list[Part]:
    """About one of the kernel's counters: what is abnormal about it, else what it counts."""
    if not isinstance(name, str) or figures is None:
        return [(" kernel counters are of all interfaces of this network namespace", Tone.DIM)]
    found = finding(figures, name)
    if found is None:
        words = meaning(name)
        return [(f" {name}: {words or 'no words for it here; see nstat(8)'}", Tone.DIM)]
    parts: list[Part] = [(f" ! {found.how_much}", Tone.BAD)]
    return [*parts, f"  look: {found.look}"] if found.look else parts
