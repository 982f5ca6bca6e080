"""Containers, drawn in a tenth of the time: all their lines are one blank line."""

from __future__ import annotations

from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Blank(Widget):
    """A widget that shows nothing but its background, between and behind its children."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Blank lines, through the filters that take colours away where the user wants none."""
        strip = Strip.blank(crop.width, self.rich_style)
        background = self.background_colors[1]
        for line_filter in self.get_line_filters():
            strip = strip.apply_filter(line_filter, background)
        return [strip] * crop.height


class Stack(Vertical, Blank):
    """Children below each other."""


class Row(Horizontal, Blank):
    """Children beside each other."""
