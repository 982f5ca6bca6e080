"""The pages of the Protocols view, and its keys."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from netdash.ui.keymap import KeyBinding, Keymap


class Page(IntEnum):
    """The pages, in their order."""

    PROTOCOLS = 0
    GENERAL = 1
    SIZES = 2
    PORTS = 3
    STATIONS = 4
    COUNTERS = 5


_TITLES: Final = ("protocols", "interfaces", "sizes", "ports", "stations", "kernel")


def _page_key(page: Page, key: str, description: str) -> KeyBinding:
    return KeyBinding(f"protocols.page_{page.name.lower()}", key, f"go_to({page.value})", "", description)


_PAGE_KEYS: Final = (
    _page_key(Page.PROTOCOLS, "d", "Page: protocols in detail, and the kernel counters"),
    _page_key(Page.GENERAL, "i", "Page: every interface with its packets by protocol"),
    _page_key(Page.SIZES, "z", "Page: packets by size"),
    _page_key(Page.PORTS, "p", "Page: TCP and UDP ports, to and from each"),
    _page_key(Page.STATIONS, "m", "Page: stations by MAC address"),
    _page_key(Page.COUNTERS, "K", "Page: the kernel's own counters"),
)

PROTOCOL_KEYS: Final[tuple[KeyBinding, ...]] = (
    KeyBinding("protocols.open", "enter", "open", "open", "Ports: to the flows of the port; interfaces: into one"),
    KeyBinding(
        "protocols.page", "s", "page(1)", "next page", "Next page: one interface, all, sizes, ports, stations, kernel"
    ),
    KeyBinding("protocols.page_before", "S", "page(-1)", "", "The page before"),
    *_PAGE_KEYS,
    KeyBinding("protocols.next", "right_square_bracket", "choose(1)", "interface", "Next interface", "[ ]"),
    KeyBinding("protocols.previous", "left_square_bracket", "choose(-1)", "", "Interface before", "["),
    KeyBinding("protocols.sort_rate", "r", "sort('rate')", "rate", "Ports, stations by the rate of the last interval"),
    KeyBinding("protocols.sort_total", "T", "sort('bytes')", "total", "Ports, stations by bytes since the start"),
    KeyBinding("protocols.sort_port", "P", "sort('port')", "port", "Ports by their number"),
    KeyBinding("protocols.sort_next", "c", "sort_column(1)", "column", "Ports, stations by the next column"),
    KeyBinding("protocols.sort_before", "C", "sort_column(-1)", "", "Ports, stations by the column before"),
    KeyBinding("protocols.reverse", "R", "reverse", "", "Reverse the order of the ports, of the stations"),
)


def page_titles(keymap: Keymap, abnormal: int) -> list[str]:
    """The pages as they are written, each behind its key; `abnormal`: number of counters that are."""
    titles = [f"{key.shown} {title}".strip() for key, title in zip(keymap.of(_PAGE_KEYS), _TITLES, strict=True)]
    if abnormal:
        titles[Page.COUNTERS] += f" !{abnormal}"
    return titles


def keys_of_page(page: Page) -> tuple[KeyBinding, ...]:
    """The keys that have a use on a page."""
    unused = {
        Page.PORTS: (),
        Page.STATIONS: ("protocols.open", "protocols.sort_port"),
        Page.GENERAL: ("protocols.sort", "protocols.reverse"),
    }.get(page, ("protocols.open", "protocols.sort", "protocols.reverse"))
    return tuple(key for key in PROTOCOL_KEYS if not key.id.startswith(unused)) if unused else PROTOCOL_KEYS
