"""How cells are written: graphic renditions, and the shortest way from one to another."""

from __future__ import annotations

from typing import Final, NamedTuple

from rich.color import ColorSystem
from rich.style import Style

PLAIN: Final = 0
"""The pen of a terminal that was reset."""

_RESET: Final = "0"
_FOREGROUND: Final = "39"
_BACKGROUND: Final = "49"
# SGR parameters (ECMA-48 section 8.3.117): what turns each attribute on and off. Bold and dim have one way off.
_ATTRIBUTES: Final = (
    ("bold", "1", "22"),
    ("dim", "2", "22"),
    ("italic", "3", "23"),
    ("underline", "4", "24"),
    ("blink", "5", "25"),
    ("reverse", "7", "27"),
    ("conceal", "8", "28"),
    ("strike", "9", "29"),
)
_OFF: Final = {on: off for _, on, off in _ATTRIBUTES}
_SEEN_ON_BLANKS: Final = frozenset({"4", "7", "9"})
_MOST_STYLES: Final = 4096
"""Textual gives equal looks styles of their own, one for each place in a text."""


class _Pen(NamedTuple):
    """SGR parameters by what they set."""

    attributes: tuple[str, ...] = ()
    foreground: str = _FOREGROUND
    background: str = _BACKGROUND


class Pens:
    """The pens in use, by number, for a terminal of one colour system."""

    def __init__(self, color_system: ColorSystem) -> None:
        self._color_system = color_system
        self._pens = [_Pen()]
        self._numbers = {_Pen(): PLAIN}
        self._of_styles: dict[Style, int] = {}
        self._changes: dict[tuple[int, int], str] = {}
        self.blank = [PLAIN]
        """By number: the pen of a blank that looks like one of this pen. The colour of a text does not show there."""

    def number(self, style: Style | None) -> int:
        """The pen of a style."""
        if style is None:
            return PLAIN
        number = self._of_styles.get(style)
        if number is None:
            if len(self._of_styles) >= _MOST_STYLES:
                self._of_styles.clear()
            number = self._of_styles[style] = self._add(self._pen(style))
        return number

    def change(self, before: int, after: int) -> str:
        """The control sequence that takes another pen; "" for the same."""
        if before == after:
            return ""
        sequence = self._changes.get((before, after))
        if sequence is None:
            sequence = self._changes[before, after] = _change(self._pens[before], self._pens[after])
        return sequence

    def _pen(self, style: Style) -> _Pen:
        colours = []
        for colour, default, foreground in ((style.color, _FOREGROUND, True), (style.bgcolor, _BACKGROUND, False)):
            codes = colour.downgrade(self._color_system).get_ansi_codes(foreground) if colour else (default,)
            colours.append(";".join(codes))
        return _Pen(tuple(on for name, on, _ in _ATTRIBUTES if getattr(style, name)), *colours)

    def _add(self, pen: _Pen) -> int:
        number = self._numbers.get(pen)
        if number is None:
            number = self._numbers[pen] = len(self._pens)
            self._pens.append(pen)
            self.blank.append(number)
            if not _SEEN_ON_BLANKS.intersection(pen.attributes):
                self.blank[number] = self._add(_Pen(background=pen.background))
        return number


def _change(before: _Pen, after: _Pen) -> str:
    gone = [on for on in before.attributes if on not in after.attributes]
    off = list(dict.fromkeys(_OFF[on] for on in gone))
    # What shares its way off with something gone is turned on again.
    on = [each for each in after.attributes if each not in before.attributes or _OFF[each] in off]
    step = [*off, *on]
    anew = [_RESET, *after.attributes]
    for old, new, default in (
        (before.foreground, after.foreground, _FOREGROUND),
        (before.background, after.background, _BACKGROUND),
    ):
        if new != old:
            step.append(new)
        if new != default:
            anew.append(new)
    return f"\x1b[{min(';'.join(step), ';'.join(anew), key=len)}m"
