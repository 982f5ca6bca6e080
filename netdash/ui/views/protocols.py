"""The Protocols view: what interfaces carry by protocol and size, and what the kernel's counters say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Horizontal

from netdash.model.headline import headline_interfaces
from netdash.model.protocol_history import InterfaceProtocolFigures, ProtocolFigures
from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.protocol_rows import counter_table, protocol_table, size_table, trouble_now
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import Part, TextLine

_BOTH_SIDE_BY_SIDE_CELLS: Final = 150
"""From this width on counters and sizes stand side by side."""

_ALL_BELOW_EACH_OTHER_LINES: Final = 38
"""From this height on the packet sizes have room below the protocols."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What the view draws from until it takes a newer snapshot."""

    figures: ProtocolFigures
    headline: tuple[str, ...]
    names: tuple[str, ...]


class ProtocolsView(View):
    """Protocols of one interface or of all physical ones; below them kernel counters or packet sizes."""

    DEFAULT_CSS = """
    ProtocolsView #protocol-table { height: 11; }
    ProtocolsView #protocol-lower { height: 1fr; }
    ProtocolsView #protocol-interface { background: $panel; }
    ProtocolsView #protocol-trouble { background: $panel; }
    """

    title: ClassVar[str] = "Protocols"
    view_id: ClassVar[str] = "protocols"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("protocols.next", "right,right_square_bracket", "choose(1)", "interface", "Next interface", "← →"),
        KeyBinding("protocols.previous", "left,left_square_bracket", "choose(-1)", "", "Interface before", "← ["),
        KeyBinding("protocols.lower", "s", "lower", "sizes/counters", "Packet sizes or kernel counters below"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._taken: _Taken | None = None
        self._chosen: str | None = None  # None: all physical interfaces together
        self._scope_followed: str | None = None
        self._sizes_below = False

    def compose(self) -> ComposeResult:
        """Which interface, its protocols, and the lower part."""
        yield TextLine(id="protocol-interface")
        protocols = LineTable(id="protocol-table")
        protocols.can_focus = False
        yield protocols
        yield TextLine(id="protocol-trouble")
        with Horizontal(id="protocol-lower"):
            yield LineTable(id="protocol-counters")
            yield LineTable(id="protocol-sizes")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """On a wide screen the lower tables stand side by side."""
        self._draw()

    def measures(self) -> Sequence[str]:
        """Protocols are counted from packets, whatever the flows are."""
        unit = self.state.units.rate_unit
        return (f"wire bytes with headers, {unit}", f"wire bytes, {unit}", unit)

    def receive(self, state: DashboardState) -> None:
        """Takes the protocols of the newest snapshot."""
        if state.snapshot is None:
            return
        interfaces = state.snapshot.interfaces
        self._taken = _Taken(
            state.histories.protocols.figures,
            tuple(interface.name for interface in headline_interfaces(interfaces)),
            tuple(interface.name for interface in interfaces),
        )
        self._draw()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def focus_default(self) -> None:
        """The lower table scrolls."""
        self.query_one("#protocol-sizes" if self._only_sizes else "#protocol-counters", LineTable).focus()

    @property
    def _both(self) -> bool:
        return self.size.width >= _BOTH_SIDE_BY_SIDE_CELLS

    @property
    def _only_sizes(self) -> bool:
        return self._sizes_below and not self._both

    def key_line_keys(self) -> tuple[KeyBinding, ...]:
        """Where both tables are shown there is nothing to choose."""
        return tuple(key for key in self.keys if not (self._both and key.id == "protocols.lower"))

    def _draw(self) -> None:
        taken = self._taken or _Taken(ProtocolFigures(), (), ())
        self._follow_scope(taken)
        figures = self._figures(taken)
        units, ascii_only = self.state.units, palette_of(self.app).ascii_only
        protocols = self.query_one("#protocol-table", LineTable)
        # The sizes alone have more rows than a small screen has left below the protocols.
        protocols.display = not self._only_sizes or self.size.height >= _ALL_BELOW_EACH_OTHER_LINES
        protocols.show(protocol_table(figures, taken.figures.interval, units))
        counters, sizes = self.query_one("#protocol-counters", LineTable), self.query_one("#protocol-sizes", LineTable)
        counters.display, sizes.display = self._both or not self._sizes_below, self._both or self._sizes_below
        waiting = self._taken is None or not taken.figures.interval
        counters.show(
            counter_table(taken.figures),
            empty_text="waiting for the first interval" if waiting else "no kernel counter moved so far",
        )
        width = self.size.width // 2 if self._both else self.size.width
        sizes.show(
            size_table(figures.total.sizes if figures else (), width - 1, ascii_only=ascii_only),
            empty_text="waiting for the first interval" if waiting else "packets are not counted on this interface",
        )
        self._draw_lines(taken, figures)

    def _follow_scope(self, taken: _Taken) -> None:
        """A new scope chooses its interface; an interface that is gone is chosen no more."""
        scope = self.state.scope.interface.name if self.state.scope.interface else None
        if scope != self._scope_followed:
            self._scope_followed = self._chosen = scope
        if self._chosen is not None and self._taken is not None and self._chosen not in taken.names:
            self._chosen = None

    def _figures(self, taken: _Taken) -> InterfaceProtocolFigures | None:
        names = taken.headline if self._chosen is None else (self._chosen,)
        counted = [name for name in names if name in taken.figures.interfaces]
        return taken.figures.combined(counted) if counted else None

    def _draw_lines(self, taken: _Taken, figures: InterfaceProtocolFigures | None) -> None:
        place: list[Part] = [" ◂ "]
        if self._chosen is None:
            place += [("all physical", Tone.ACCENT), f": {', '.join(taken.headline)}" if taken.headline else ""]
        else:
            place.append((self._chosen, Tone.ACCENT))
        place.append(" ▸")
        counted = "since the start, rates of the last interval" if figures else "packets are not counted here"
        self.query_one("#protocol-interface", TextLine).show(place, [(f"{counted} ", Tone.DIM)])
        trouble = trouble_now(taken.figures)
        parts: list[Part] = [" packet sizes, wire" if self._only_sizes else " kernel counters, all interfaces"]
        if trouble:
            parts.append((f"  ! {trouble} sign{'s' * (trouble > 1)} of trouble now", Tone.BAD))
        used = taken.figures.gauges.get("Sockstat.sockets.used")
        right: list[Part] = [(f"{used} sockets in use ", Tone.DIM)] if used is not None else []
        self.query_one("#protocol-trouble", TextLine).show(parts, right)

    def action_choose(self, step: int) -> None:
        """The next interface, after the last all physical ones together."""
        if self._taken is None:
            return
        choices = (None, *self._taken.names)
        index = choices.index(self._chosen) if self._chosen in choices else 0
        self._chosen = choices[(index + step) % len(choices)]
        self._draw()

    def action_lower(self) -> None:
        """Packet sizes instead of kernel counters, or back."""
        self._sizes_below = not self._sizes_below
        self._draw()
        self.focus_default()
