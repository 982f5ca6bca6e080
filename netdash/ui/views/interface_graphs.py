"""The graphs of the Interfaces view: one interface large, or several below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from textual.app import ComposeResult

from netdash.model.units import Units
from netdash.ui.theme import Tone
from netdash.ui.views.interface_rows import InterfaceRow, RowKey
from netdash.ui.widgets.area_graph import AreaGraph
from netdash.ui.widgets.holder import Stack
from netdash.ui.widgets.text_line import Part, TextLine, cells_of

if TYPE_CHECKING:
    from netdash.model.interface_history import InterfaceSeries

SLOT_LINES: Final = 5
"""Least lines of one of several graphs, with its title."""
_MOST_SLOTS: Final = 8

SPANS_SECONDS: Final = (None, 60, 300, 900)
"""What a graph's width can be; None: one interval a column, as far back as that goes."""


class ScaleMode(StrEnum):
    """What the top of a graph is."""

    AUTO = "auto"
    SPEED = "=speed"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """How the user wants the graphs."""

    scale: ScaleMode = ScaleMode.AUTO
    fixed_top: float = 0.0
    """Bytes per second; for `ScaleMode.FIXED`."""
    span_seconds: int | None = None

    def top(self, row: InterfaceRow) -> float | None:
        """The top of an interface's graph in bytes per second; None: as its samples need it."""
        if self.scale is ScaleMode.FIXED:
            return self.fixed_top
        speed = row.interface.speed_bps
        return speed / 8 if self.scale is ScaleMode.SPEED and speed else None

    def word(self, row: InterfaceRow) -> str:
        """The scale in a word: "auto" also where the speed is not known."""
        return ScaleMode.AUTO.value if self.top(row) is None else self.scale.value


def draw_graph(graph: AreaGraph, row: InterfaceRow | None, units: Units, settings: GraphSettings) -> None:
    """Lets `graph` show an interface."""
    series = row.series if row else None
    if row is None or series is None:
        graph.show((), (), times=(), units=units)
        return
    graph.show(
        series.rx_rates.tolist(),
        series.tx_rates.tolist(),
        times=series.samples["time"].tolist(),
        units=units,
        number=series.number,
        span_seconds=settings.span_seconds,
        top=settings.top(row),
        word=settings.word(row),
    )


class GraphSlot(Stack):
    """One of several graphs: a title with the figures, and a small graph."""

    DEFAULT_CSS = """
    GraphSlot { height: 1fr; width: 1fr; }
    GraphSlot TextLine { background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._key: RowKey | None = None

    def compose(self) -> ComposeResult:
        """Title and graph."""
        yield TextLine()
        yield AreaGraph()

    def show(self, row: InterfaceRow, units: Units, settings: GraphSettings, *, chosen: bool) -> None:
        """Draws an interface; `chosen`: it is the one under the cursor."""
        graph = self.query_one(AreaGraph)
        if row.key != self._key:
            graph.reset_scale()
            self._key = row.key
        name: Part = (f"{'›' if chosen else ' '}{row.interface.name} ", Tone.ACCENT if chosen else Tone.NORMAL)
        parts: list[Part] = [name, (f" {row.interface.state} ", Tone.DIM)]
        if row.series is not None:
            parts += _figures(row.series, units, self.app.size.width - cells_of(parts))
        self.query_one(TextLine).show(parts)
        draw_graph(graph, row, units, settings)


def _figures(series: InterfaceSeries, units: Units, room: int) -> list[Part]:
    """Both directions now, on average, at most and together, as many of these as have `room` cells."""
    parts: list[Part] = []
    for wanted in (("avg", "max", ""), ("avg", "max"), ("max",), ()):
        parts = []
        for mark, tone, figures in (("▼", Tone.RX, series.rx), ("▲", Tone.TX, series.tx)):
            every = {"avg": units.rate(figures.average), "max": units.rate(figures.maximum)}
            every[""] = units.volume(figures.total_bytes)
            parts.append((f" {mark} {units.rate_per_second(figures.current)}", tone))
            parts.append(
                ("".join(f" {name} {every[name]}" if name else f" {every[name]}" for name in wanted), Tone.DIM)
            )
            parts.append(" ")
        if cells_of(parts) <= room:
            break
    return parts


class GraphStack(Stack):
    """Graphs of several interfaces, as many as have room. Empty until `fill`: the first paint does not wait for it."""

    DEFAULT_CSS = """
    GraphStack { height: 1fr; width: 1fr; }
    """

    async def fill(self) -> None:
        """Makes all slots; those that are not needed are not displayed."""
        if not self.query(GraphSlot):
            await self.mount(*(GraphSlot() for _ in range(_MOST_SLOTS)))

    def show(self, rows: Sequence[InterfaceRow], chosen: RowKey | None, units: Units, settings: GraphSettings) -> None:
        """Draws those of `rows` around the chosen one."""
        slots = list(self.query(GraphSlot))
        room = max(1, min(len(slots), self.size.height // SLOT_LINES))
        index = next((i for i, row in enumerate(rows) if row.key == chosen), 0)
        first = max(0, min(index - room // 2, len(rows) - room))
        shown = rows[first : first + room]
        for number, slot in enumerate(slots):
            slot.display = number < len(shown)
            if number < len(shown):
                slot.show(shown[number], units, settings, chosen=shown[number].key == chosen)
