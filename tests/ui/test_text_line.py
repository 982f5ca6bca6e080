"""Lines of text that are too long: what is cut, and what goes whole."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from netdash.ui.widgets.text_line import cut


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        ("avg 1.00Mb", 12, "avg 1.00Mb  "),
        ("avg 1.00Mb", 10, "avg 1.00Mb"),
        ("avg 1.00Mb", 9, "avg …    "),  # 1.00 would be another figure
        ("avg 1.00Mb max", 12, "avg 1.00Mb …"),
        ("avg 1.00Mb max", 13, "avg 1.00Mb m…"),
        ("nothing said", 9, "nothing …"),
        ("nothing said", 11, "nothing sa…"),
        ("2001:db8:1234:5678::1", 16, "2001:db8:1234:5…"),  # long enough to tell something
        ("漢字漢字", 6, "漢字 …"),
        ("123456", 3, "…  "),
        ("x", 0, ""),
    ],
)
def test_half_a_figure_is_not_shown(text: str, room: int, shown: str) -> None:
    strip = cut(Strip([Segment(text)]), room, Style.null(), ascii_only=False)
    assert strip.text == shown
    assert strip.cell_length == cell_len(shown) == room
