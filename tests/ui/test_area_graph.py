"""Graphs: exact glyphs for known samples, scales and times."""

from __future__ import annotations

from math import nan

import pytest
from textual.app import ComposeResult

from netdash.model.units import Units
from netdash.ui.theme import PaletteApp, choose_palette
from netdash.ui.widgets.area_graph import AreaGraph, halves
from netdash.ui.widgets.scale import Scale, age_text, round_up, time_labels
from netdash.ui.widgets.sparkline import sparkline

BYTES = Units(bits=False)


class GraphApp(PaletteApp):
    """One graph."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.palette = choose_palette("256", ascii_only=ascii_only, no_color=False)
        self.graph = AreaGraph()

    def compose(self) -> ComposeResult:
        yield self.graph

    def lines(self) -> list[str]:
        return [self.graph.render_line(y).text for y in range(self.graph.size.height)]


async def drawn(
    rx: list[float], tx: list[float], *, width: int, height: int, ascii_only: bool = False, units: Units = BYTES
) -> list[str]:
    app = GraphApp(ascii_only=ascii_only)
    async with app.run_test(size=(width, height)) as pilot:
        app.graph.show(rx, tx, times=[float(i) for i in range(len(rx))], units=units)
        await pilot.pause()
        lines = app.lines()
        assert all(app.graph.render_line(y).cell_length == width for y in range(height))
        return lines


async def test_braille_levels_of_both_directions() -> None:
    rx = [0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0, 8000.0]
    lines = await drawn(rx, rx, width=12, height=4)
    assert lines == [
        " 8.00kB│  ⢀⣼",
        "       │⢀⣴⣿⣿",
        "       │⠈⠻⣿⣿",
        " 8.00kB│  ⠈⢻",
    ]


async def test_ascii_levels_of_both_directions() -> None:
    rx = [0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0, 8000.0]
    lines = await drawn(rx, rx, width=16, height=4, ascii_only=True)
    assert lines == [
        " 8.00kB|     .:#",
        "       | .:|####",
        "       | '\"|####",
        " 8.00kB|     '\"#",
    ]


async def test_any_traffic_is_seen_and_gaps_are_not() -> None:
    lines = await drawn([1.0, nan, 1000.0, 0.0], [0.0, 0.0, 0.0, 0.0], width=10, height=2)
    assert lines == [" 1.00kB│⡀⡇", " 1.00kB│  "]


async def test_few_samples_stand_at_the_right_and_old_ones_are_left_out() -> None:
    assert await drawn([1000.0], [1000.0], width=11, height=2) == [" 1.00kB│  ⢸", " 1.00kB│  ⢸"]
    many = [0.0] * 50 + [1000.0]
    assert (await drawn(many, many, width=11, height=2))[0] == " 1.00kB│  ⢸"


async def test_a_graph_moves_by_whole_cells() -> None:
    app = GraphApp()
    async with app.run_test(size=(12, 2)):
        shown = []
        for newest in range(6, 12):
            rates = [1000.0 * (number % 3 > 0) for number in range(newest + 1)]
            app.graph.show(rates, rates, times=list(range(newest + 1)), units=BYTES, number=newest)
            shown.append(app.lines()[0][8:])
        assert shown == [" ⣿⢸⡇", "⣿⢸⡇⡇", "⣿⢸⡇⣿", "⢸⡇⣿ ", "⢸⡇⣿⢸", "⡇⣿⢸⡇"]


async def test_labels_and_time_axis() -> None:
    lines = await drawn([1e6] * 120, [1e3] * 120, width=68, height=11, units=Units())
    assert [line[:8] for line in lines] == [
        " 8.00Mb│",
        "       │",
        "       │",
        "       │",
        "      0│",
        "       │",
        "       │",
        "       │",
        "       │",
        " 8.00kb│",
        "        ",
    ]
    assert lines[-1].split() == ["-1m30s", "-1m", "-30s", "now"]
    assert lines[-1].endswith("now")


@pytest.mark.parametrize(("width", "height"), [(3, 1), (8, 2), (9, 1), (200, 60), (9, 2)])
async def test_any_size(width: int, height: int) -> None:
    await drawn([1.0, 2.0], [1.0, 2.0], width=width, height=height)


async def test_another_size_draws_anew() -> None:
    app = GraphApp()
    async with app.run_test(size=(12, 4)) as pilot:
        app.graph.show([1000.0], [1000.0], times=[0.0], units=BYTES)
        await pilot.resize_terminal(16, 8)
        await pilot.pause()
        assert [app.graph.render_line(y).cell_length for y in range(8)] == [16] * 8
        assert app.lines()[3] == "      0│       ⢸"


def test_halves_share_all_lines() -> None:
    for height in range(60):
        assert sum(halves(height)) == height
    assert halves(11) == (5, 5, 1)


@pytest.mark.parametrize(
    ("value", "iec", "expected"),
    [
        (0.5, False, 1),
        (1, False, 1),
        (7, False, 8),
        (9, False, 10),
        (210, False, 300),
        (900, False, 1000),
        (1001, False, 2000),
        (1025, True, 2048),
        (900, True, 1024),
    ],
)
def test_round_up(value: float, iec: bool, expected: float) -> None:
    assert round_up(value, iec=iec) == expected


def test_scale_grows_at_once_and_shrinks_late() -> None:
    scale = Scale()
    assert scale.fit(10_000, BYTES) == 10_000
    assert scale.fit(5_000, BYTES) == 10_000
    assert scale.fit(10_001, BYTES) == 20_000
    assert scale.fit(1_000, BYTES) == 1_000
    assert scale.fit(0, BYTES) == 1_000
    assert scale.fit(1_000, Units()) == 1_000


def test_time_labels_follow_the_samples_times() -> None:
    assert time_labels([float(i) for i in range(60)], 1, 40).split() == ["-30s", "-15s", "now"]
    half_seconds = [i / 2 for i in range(60)]
    assert time_labels(half_seconds, 2, 40).split() == ["-30s", "-15s", "now"]
    assert time_labels([], 2, 20).split() == ["-30s", "now"]
    assert time_labels([1.0, 1.0], 2, 20).split() == ["now"]
    assert time_labels([], 2, 2) == "  "
    assert [age_text(s) for s in (15, 60, 90, 600, 3600)] == ["-15s", "-1m", "-1m30s", "-10m", "-1h"]


def test_a_label_stands_over_its_sample() -> None:
    line = time_labels([float(i) for i in range(40)], 1, 40)
    assert line.index("-15s") + len("-15s") == 40 - 15


def test_sparkline() -> None:
    assert sparkline([0.0, 1.0, 50.0, 100.0, nan], 6) == "  ▁▄▇ "
    assert sparkline([0.0, 1.0, 50.0, 100.0], 4, ascii_only=True) == " _=#"
    assert sparkline([], 3) == "   "
    assert sparkline([1.0, 2.0], 1) == "▇"
    assert sparkline([1.0], 0) == ""
