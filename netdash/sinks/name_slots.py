"""Bounds the names that have a time series of their own: a name that has one keeps it, the others share one."""

from __future__ import annotations

from typing import Final

OTHER: Final = "other"
"""Of those without one. Something that is really named so is one of them."""

_FREE: Final = 20
_FIRST_BYTES: Final = 1_000_000
_DOUBLED_EVERY: Final = 10
_MAX_CANDIDATES: Final = 4096


class NameSlots:
    """The first 20 names have a slot at once. Later ones have to have moved 1 MB, and twice as much for every ten that
    are there already: so those that move much still find a slot when many that move little have come before them."""

    def __init__(self, slots: int = 100) -> None:
        self._slots = slots
        self._named: set[str] = set()
        self._candidates: dict[str, int] = {}
        """What the others have moved so far."""

    def label(self, name: str, moved_bytes: int) -> str:
        """`name` or OTHER, for what it has moved since the last call with it."""
        if name in self._named:
            return name
        if name in ("", OTHER):
            return OTHER
        total = self._candidates.get(name, 0) + moved_bytes
        if self._has_room(total):
            self._candidates.pop(name, None)
            self._named.add(name)
            return name
        self._candidates[name] = total
        if len(self._candidates) > _MAX_CANDIDATES:
            kept = sorted(self._candidates.items(), key=lambda item: item[1], reverse=True)[: _MAX_CANDIDATES // 2]
            self._candidates = dict(kept)
        return OTHER

    def _has_room(self, total_bytes: int) -> bool:
        used = len(self._named)
        if used < min(_FREE, self._slots):
            return True
        return used < self._slots and total_bytes >= _FIRST_BYTES * 2 ** ((used - _FREE) / _DOUBLED_EVERY)
