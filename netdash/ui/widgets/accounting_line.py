"""One line that says where an interface's bytes of the last interval went, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netdash.model.units import Units
from netdash.ui.text import width_of
from netdash.ui.theme import Tone
from netdash.ui.widgets.text_line import Part, TextLine

if TYPE_CHECKING:
    from netdash.model.snapshot import Accounting

_WIDE: Final = 104
_LONG_NAMES: Final = ("kernel counter", "counted", "processes", "forwarded", "kernel's own", "unattributed")
_SHORT_NAMES: Final = ("kernel", "counted", "procs", "fwd", "own", "nobody")

_TOLERANCE: Final = 0.001
"""Share of the kernel's figure by which the count may differ: the two are read a moment apart."""


class AccountingLine(TextLine):
    """Kernel counter, counted, and of that: processes, forwarded, kernel's own, unattributed."""

    def show_accounting(self, accounting: Accounting | None, units: Units, where: str = "") -> None:
        """Draws it; None (packets are not counted, or nothing is known yet) leaves the line empty.

        `where`: the interfaces that it is of, for which there may be no room.
        """
        parts = _parts(accounting, units, wide=self.size.width >= _WIDE)
        right = f"last interval of {where} " if parts and where else ""
        used = sum(width_of(part if isinstance(part, str) else part[0]) for part in parts)
        self.show(parts, [(right, Tone.DIM)] if used + width_of(right) <= self.size.width else [])


def _parts(accounting: Accounting | None, units: Units, wide: bool) -> list[Part]:
    if accounting is None:
        return []
    names = _LONG_NAMES if wide else _SHORT_NAMES
    kernel, counted = accounting.kernel_bytes, accounting.counted_bytes
    missing = kernel is not None and counted is not None and abs(kernel - counted) > kernel * _TOLERANCE
    figures = (
        (kernel, Tone.NORMAL),
        (counted, Tone.WARN if missing else Tone.NORMAL),
        (accounting.attributed_bytes, Tone.NORMAL),
        (accounting.forwarded_bytes, Tone.NORMAL),
        (accounting.kernel_socket_bytes, Tone.NORMAL),
        (accounting.unattributed_bytes, Tone.WARN if accounting.unattributed_bytes else Tone.NORMAL),
    )
    parts: list[Part] = []
    for name, (figure, tone) in zip(names, figures, strict=True):
        mark = "!" if tone is Tone.WARN else ""
        # 80 cells take six figures of six cells each.
        parts += [(f" {name} ", Tone.DIM), (f"{mark}{units.volume(figure)}{' ' if wide else ''}", tone)]
    return parts
