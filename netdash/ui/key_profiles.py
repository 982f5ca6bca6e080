"""Keys for fingers that know another program: which actions get which keys instead of netdash's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROFILES: Final[Mapping[str, Mapping[str, str]]] = {
    "default": {},
    # iftop's help screen. Where its digits sort, tabs are reached with Tab; S and D (ports of one end) have no like.
    "iftop": {
        "dashboard.pause": "P,space",
        "dashboard.help": "question_mark,f1,h",
        "dashboard.filter": "slash,l",
        "dashboard.record": "ctrl+l",
        "flows.sort_2s": "1",
        "flows.sort_10s": "2",
        "flows.sort_40s": "3",
        "flows.sort_source": "less_than_sign",
        "flows.sort_destination": "greater_than_sign",
        "flows.sort_port": "O",
        "sockets.sort_port": "O",
        "protocols.sort_port": "O",
        "time.slower": "",
        "time.faster": "",
    },
    # nethogs(8): s, r and m (rates or totals) are netdash's own already; l shows command lines.
    "nethogs": {
        "processes.commands": "l,c",
        "dashboard.record": "ctrl+l",
    },
    # Motions of vi(1): h and l are out of and into a row.
    "vim": {
        "table.first": "home,g",
        "table.last": "end,G",
        "table.page_up": "pageup,ctrl+b",
        "table.page_down": "pagedown,ctrl+f",
        "table.select": "enter,l",
        "connection.packets": "enter,l",
        "dashboard.back": "escape,h",
        "dashboard.record": "ctrl+l",
        "time.go_to": "ctrl+g",
    },
}
"""By the name in `netdash.settings.KEY_PROFILES`: keys by the id of their binding, "" takes a key away."""
