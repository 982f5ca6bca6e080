"""Every screen of the dashboard at every size, in every look, with nothing, one row, ten thousand, hostile names.

Each condition has its screens in goldens, which are to be read: a screen is as good as it looks there. What has to hold
of every screen whatever is on it is looked at beside.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest
from rich.cells import cell_len
from rich.color import ColorType
from rich.style import Style
from textual.pilot import Pilot
from textual.strip import Strip

from netdash.model.packets import WatchedPacket
from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.views.packets import PacketsView
from netdash.ui.widgets.line_table import LineTable
from tests.ui import scenes
from tests.ui.apps import at_rest, dashboard, settle, take
from tests.ui.golden import Golden, looks, screen_text, strips_of
from tests.ui.packets import FakePacketSource, packet_list

TABS: Final = (
    ("interfaces", "1"),
    ("interfaces-graphs", "a"),
    ("processes", "a 3"),
    ("sockets", "4"),
    ("protocols", "5"),
    ("protocols-interfaces", "i"),
    ("protocols-sizes", "z"),
    ("protocols-ports", "p"),
    ("protocols-stations", "m"),
    ("protocols-kernel", "K"),
    ("flows", "2"),
)
"""The screens in an order, each with the keys that lead on to it from the one before."""
DRILL_DOWN: Final = (("connection", "enter"), ("packets", "enter"), ("packets-layers", "enter"))
"""What is below the first row of the flows."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Under which the screens are looked at."""

    snapshots: Callable[[], list[Snapshot]] = scenes.busy
    size: tuple[int, int] = (80, 24)
    ascii_only: bool = False
    colours: str = "256"
    resolver: scenes.KnownNames = scenes.RESOLVER
    packets: Callable[[], list[WatchedPacket]] = scenes.usual_packets
    screens: Sequence[tuple[str, str]] = (*TABS, *DRILL_DOWN)


CONDITIONS: Final = {
    "80x24": Condition(),
    "120x36": Condition(size=(120, 36)),
    "200x50": Condition(size=(200, 50)),
    "ascii": Condition(ascii_only=True),
    "16-colours": Condition(colours="standard"),
    "waiting": Condition(list, screens=TABS),
    "empty": Condition(scenes.silent, screens=TABS),
    "one": Condition(scenes.single),
    "many": Condition(scenes.many, packets=scenes.many_packets),
    "hostile": Condition(scenes.hostile, resolver=scenes.HOSTILE_RESOLVER, packets=scenes.hostile_packets),
}


@asynccontextmanager
async def under(condition: Condition) -> AsyncIterator[tuple[Dashboard, Pilot[int]]]:
    """A dashboard that took the snapshots."""
    app = dashboard(FakePacketSource(), Options(ascii_only=condition.ascii_only), color_system=condition.colours)
    async with app.run_test(size=condition.size) as pilot:
        snapshots = condition.snapshots()
        for snapshot in snapshots[:-1]:
            await app.state.advance(snapshot)
        app.state.resolver = condition.resolver
        if snapshots:
            await take(app, pilot, snapshots[-1])
        yield app, pilot


async def go(app: Dashboard, pilot: Pilot[int], keys: str, condition: Condition) -> None:
    """Presses keys; packets come to whoever has opened their page. The screen is at rest then."""
    for key in keys.split():
        await pilot.press(key)
        await at_rest(app, pilot)
    view, source = app.main_screen.view, app.source
    assert isinstance(source, FakePacketSource)
    if isinstance(view, PacketsView) and not len(packet_list(app).span):
        await settle(pilot, lambda: source.watch is not None)
        source.deliver(*condition.packets())
        await settle(pilot, lambda: len(packet_list(app).span) > 0)
        await at_rest(app, pilot)


def faults_of_screen(app: Dashboard, condition: Condition) -> list[str]:
    """What is wrong with a screen whatever is on it."""
    faults = []
    columns, lines = condition.size
    strips = strips_of(app)
    if len(strips) != lines:
        faults.append(f"{len(strips)} lines")
    for y, strip in enumerate(strips):
        if strip.cell_length != columns or cell_len(strip.text) != columns:
            faults.append(f"line {y} has {strip.cell_length} cells: {strip.text!r}")
        odd = {char for char in strip.text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}
        if odd:
            faults.append(f"line {y} has {odd}")
        if condition.ascii_only and not strip.text.isascii():
            faults.append(f"line {y} is not ASCII: {strip.text!r}")
        if condition.colours == "standard":
            faults += [f"line {y} has the style {style}" for style in _styles(strip) if _is_beyond_16(style)]
    return faults


def _styles(strip: Strip) -> list[Style]:
    return [segment.style for segment in strip if segment.style is not None]


def _is_beyond_16(style: Style) -> bool:
    colours = [colour for colour in (style.color, style.bgcolor) if colour is not None]
    return any(colour.type not in (ColorType.DEFAULT, ColorType.STANDARD) for colour in colours)


@pytest.mark.parametrize("name", CONDITIONS)
async def test_screens(golden: Golden, name: str) -> None:
    condition = CONDITIONS[name]
    faults = []
    async with under(condition) as (app, pilot):
        for screen, keys in condition.screens:
            await go(app, pilot, keys, condition)
            faults += [f"{screen}: {fault}" for fault in faults_of_screen(app, condition)]
            shown = looks(app) if condition.colours == "standard" else screen_text(app)
            try:
                golden.compare(shown, screen)
            except pytest.fail.Exception as difference:
                faults.append(f"{screen}: {difference}")
    assert not faults, "\n".join(faults)


TOLD: Final = {
    "interfaces": "10000 interfaces",
    "interfaces-graphs": "10000 interfaces",
    "processes": "10000 proc",
    "sockets": "10000 sockets",
    "protocols-interfaces": "10000 interfaces",
    "protocols-ports": " ports\n",
    "protocols-stations": " stations\n",
    "protocols-kernel": "10000 counters",
    "flows": "10000 flows",
    "packets": "10,000 shown",
}
"""How many rows there are, which no scroll bar tells: ports and stations have a bound of their own."""


def cursor_is_in_sight(table: LineTable) -> bool:
    """Whether the cursor's row is one of those that have room."""
    return 0 <= table.cursor_index - table.scroll_offset.y < table.capacity


async def test_the_ends_of_ten_thousand_rows_are_a_key_away() -> None:
    condition = CONDITIONS["many"]
    looked_at = []
    async with under(condition) as (app, pilot):
        for screen, keys in condition.screens:
            await go(app, pilot, keys, condition)
            table = app.focused
            if not isinstance(table, LineTable):
                continue
            looked_at.append(screen)
            if screen in TOLD:
                assert TOLD[screen] in screen_text(app), screen
            for key, row in (("end", len(table.model) - 1), ("home", 0)):
                await go(app, pilot, key, condition)
                assert cursor_is_in_sight(table), (screen, key)
                assert table.cursor_key == table.model.key(row), (screen, key)
                assert not faults_of_screen(app, condition), (screen, key)
    assert set(looked_at) == {screen for screen, _ in condition.screens} - {"connection"}
