"""One line that says where an interface's bytes of the last interval went, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netdash.model.units import Units
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

    def show_accounting(self, accounting: Accounting | None, units: Units) -> None:
        """Draws it; None (packets are not counted, or nothing is known yet) leaves the line empty."""
        self.show(_parts(accounting, units, wide=self.size.width >= _WIDE))


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
        parts += [(f" {name} ", Tone.DIM), (f"{mark}{units.volume(figure)} ", tone)]
    return parts
