"""Which interfaces are meant: names and patterns such as "eth*" and "!docker0"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class InterfaceSelection:
    """A list of patterns; "!" in front excludes. Without an including pattern all others are meant."""

    patterns: tuple[str, ...] = ()

    def matches(self, name: str) -> bool:
        """Whether the interface called `name` is meant."""
        including = [p for p in self.patterns if not p.startswith("!")]
        excluded = any(fnmatchcase(name, p[1:]) for p in self.patterns if p.startswith("!"))
        return not excluded and (not including or any(fnmatchcase(name, p) for p in including))

    def missing(self, names: Sequence[str]) -> tuple[str, ...]:
        """Including patterns that match none of `names`."""
        return tuple(
            p for p in self.patterns if not p.startswith("!") and not any(fnmatchcase(name, p) for name in names)
        )
