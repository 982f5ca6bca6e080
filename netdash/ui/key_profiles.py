"""Keys for fingers that know another program: which actions get which keys instead of netdash's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROFILES: Final[Mapping[str, Mapping[str, str]]] = {"default": {}, "iftop": {}, "nethogs": {}, "vim": {}}
"""By the name in `netdash.settings.KEY_PROFILES`: keys by the id of their binding, "" takes a key away."""
