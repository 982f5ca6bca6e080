"""The kernel's protocol counters of one interval."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from netdash.kernel.protocol_counters import is_gauge

_ALWAYS_SHOWN: Final = frozenset({"Ip", "Icmp", "Tcp", "Udp", "Ip6", "Icmp6", "Udp6", "Softnet"})
"""Counter groups whose zeros are told; of the hundreds of extended ones only those that moved are."""


def counter_differences(old: dict[str, int], new: dict[str, int]) -> dict[str, int]:
    """Of the counters in both; one that fell began anew and is left out, and so are the extended ones that rest."""
    return {
        name: value - old[name]
        for name, value in new.items()
        if value >= old.get(name, value + 1) and (value != old[name] or _is_always_shown(name)) and not is_gauge(name)
    }


@lru_cache(maxsize=4096)
def _is_always_shown(name: str) -> bool:
    return name.partition(".")[0] in _ALWAYS_SHOWN


def gauges_of(values: dict[str, int]) -> dict[str, int]:
    """Those that tell a present state."""
    return {name: value for name, value in values.items() if is_gauge(name)}
