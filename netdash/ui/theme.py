"""Colours: what each meaning looks like on terminals of 256 and of 16 colours, without colour and in ASCII."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from rich.style import Style
from textual.app import App
from textual.theme import Theme


class Tone(StrEnum):
    """What a text means. Never the only carrier of that meaning: a mark or a word says it too."""

    NORMAL = "normal"
    DIM = "dim"
    RX = "rx"
    TX = "tx"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    ACCENT = "accent"
    EXITED = "exited"
    MARK = "mark"
    """What must not be overlooked: it alone has a background of its own."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Styles for what widgets draw line by line. Tones but MARK set the foreground only; others lie over a line."""

    tones: Mapping[Tone, Style]
    header: Style
    """The first line."""
    title: Style
    """Column titles."""
    cursor: Style
    """The cursor's row while its table has the focus."""
    idle_cursor: Style
    """The cursor's row in a table without the focus."""
    bar: Style
    """The bar behind a row."""
    cursor_bar: Style
    """The bar behind the cursor's row."""
    active: Style
    """The chosen tab."""
    key: Style
    """A key in the key line."""
    alert: Style
    """The line of notes and marks such as PAUSED."""
    rx_gradient: tuple[Style, ...]
    """The graph of what came in, from the middle outwards."""
    tx_gradient: tuple[Style, ...]
    ascii_only: bool = False


def _tones(colours: Mapping[Tone, str]) -> dict[Tone, Style]:
    return {tone: Style.parse(text) for tone, text in colours.items()}


def _gradient(*colours: str) -> tuple[Style, ...]:
    return tuple(Style.parse(text) for text in colours)


# All colours are of the xterm 256-colour cube or its grey ramp: over SSH COLORTERM is mostly lost, and what is not
# in that table would be squeezed to a neighbour.
_COLOURS_256: Final = Palette(
    tones=_tones(
        {
            Tone.NORMAL: "#d0d0d0",
            Tone.DIM: "#949494",
            Tone.RX: "#5fd7af",
            Tone.TX: "#87afff",
            Tone.GOOD: "#87d787",
            Tone.WARN: "#ffd75f",
            Tone.BAD: "bold #ff8787",
            Tone.ACCENT: "#5fd7ff",
            Tone.EXITED: "italic #8a8a8a",
            Tone.MARK: "bold #121212 on #ffd75f",
        }
    ),
    header=Style.parse("bold #e4e4e4 on #303030"),
    title=Style.parse("bold #bcbcbc on #262626"),
    cursor=Style.parse("bold on #444444"),
    idle_cursor=Style.parse("on #303030"),
    bar=Style.parse("on #005f5f"),
    cursor_bar=Style.parse("bold on #005f87"),
    active=Style.parse("bold #121212 on #5fd7ff"),
    key=Style.parse("bold #5fd7ff"),
    alert=Style.parse("bold #121212 on #ffd75f"),
    rx_gradient=_gradient("#00875f", "#00af87", "#00d7af", "#87ffd7"),
    tx_gradient=_gradient("#5f5fd7", "#5f87ff", "#5fafff", "#afd7ff"),
)

_LIGHT_256: Final = Palette(
    tones=_tones(
        {
            Tone.NORMAL: "#262626",
            Tone.DIM: "#626262",
            Tone.RX: "#005f5f",
            Tone.TX: "#005faf",
            Tone.GOOD: "#005f00",
            Tone.WARN: "#875f00",
            Tone.BAD: "bold #af0000",
            Tone.ACCENT: "#005f87",
            Tone.EXITED: "italic #767676",
            Tone.MARK: "bold #ffffff on #af0000",
        }
    ),
    header=Style.parse("bold #121212 on #d0d0d0"),
    title=Style.parse("bold #444444 on #dadada"),
    cursor=Style.parse("bold on #bcbcbc"),
    idle_cursor=Style.parse("on #d0d0d0"),
    bar=Style.parse("on #afd7d7"),
    cursor_bar=Style.parse("bold on #87afd7"),
    active=Style.parse("bold #ffffff on #005f87"),
    key=Style.parse("bold #005f87"),
    alert=Style.parse("bold #121212 on #ffd75f"),
    rx_gradient=_gradient("#5fafaf", "#008787", "#005f5f", "#005f00"),
    tx_gradient=_gradient("#87afd7", "#5f87d7", "#005faf", "#00005f"),
)

_CONTRAST_256: Final = Palette(
    tones=_tones(
        {
            Tone.NORMAL: "#ffffff",
            Tone.DIM: "#d0d0d0",
            # Blue and orange: told apart by people with any of the common colour deficiencies.
            Tone.RX: "bold #ffaf00",
            Tone.TX: "bold #5fd7ff",
            Tone.GOOD: "#ffffff",
            Tone.WARN: "bold #ffff00",
            Tone.BAD: "bold #000000 on #ffff00",
            Tone.ACCENT: "bold #ffffff",
            Tone.EXITED: "italic #d0d0d0",
            Tone.MARK: "bold #000000 on #ffff00",
        }
    ),
    header=Style.parse("bold #000000 on #ffffff"),
    title=Style.parse("bold underline #ffffff"),
    cursor=Style.parse("bold #000000 on #ffffff"),
    idle_cursor=Style.parse("on #444444"),
    bar=Style.parse("on #00005f"),
    cursor_bar=Style.parse("bold #000000 on #5fd7ff"),
    active=Style.parse("bold #000000 on #ffff00"),
    key=Style.parse("bold #ffff00"),
    alert=Style.parse("bold #000000 on #ffff00"),
    rx_gradient=_gradient("#ffaf00"),
    tx_gradient=_gradient("#5fd7ff"),
)

_COLOURS_16: Final = Palette(
    tones=_tones(
        {
            Tone.NORMAL: "default",
            Tone.DIM: "white",
            Tone.RX: "green",
            Tone.TX: "cyan",
            Tone.GOOD: "green",
            Tone.WARN: "yellow",
            Tone.BAD: "bold red",
            Tone.ACCENT: "bold cyan",
            Tone.EXITED: "white",
            Tone.MARK: "bold black on yellow",
        }
    ),
    header=Style.parse("bold"),
    title=Style.parse("bold underline"),
    cursor=Style.parse("bold black on white"),
    idle_cursor=Style.parse("bold"),
    bar=Style.parse("white on blue"),
    cursor_bar=Style.parse("bold black on cyan"),
    active=Style.parse("bold reverse"),
    key=Style.parse("bold"),
    alert=Style.parse("bold black on yellow"),
    rx_gradient=_gradient("green"),
    tx_gradient=_gradient("cyan"),
)

_MONOCHROME: Final = Palette(
    tones=_tones(dict.fromkeys(Tone, "default") | {Tone.BAD: "bold", Tone.ACCENT: "bold", Tone.MARK: "bold reverse"}),
    header=Style.parse("bold"),
    title=Style.parse("bold underline"),
    cursor=Style.parse("reverse"),
    idle_cursor=Style.parse("bold"),
    bar=Style.parse("underline"),
    cursor_bar=Style.parse("reverse underline"),
    active=Style.parse("bold reverse"),
    key=Style.parse("bold"),
    alert=Style.parse("bold reverse"),
    rx_gradient=_gradient("default"),
    tx_gradient=_gradient("default"),
)

THEME: Final = Theme(
    name="netdash",
    primary="#5fd7ff",
    secondary="#87afff",
    warning="#ffd75f",
    error="#ff8787",
    success="#87d787",
    accent="#5fd7ff",
    foreground="#d0d0d0",
    background="#121212",
    surface="#1c1c1c",
    panel="#303030",
    dark=True,
    variables={"scrollbar": "#4e4e4e", "scrollbar-background": "#1c1c1c"},
)
"""Textual's side of the 256-colour palette: backgrounds, scroll bars, the help screen."""

THEME_LIGHT: Final = Theme(
    name="netdash-light",
    primary="#005f87",
    secondary="#005faf",
    warning="#875f00",
    error="#af0000",
    success="#005f00",
    accent="#005f87",
    foreground="#262626",
    background="#eeeeee",
    surface="#e4e4e4",
    panel="#d0d0d0",
    dark=False,
    variables={"scrollbar": "#a8a8a8", "scrollbar-background": "#e4e4e4"},
)

THEME_CONTRAST: Final = Theme(
    name="netdash-contrast",
    primary="#ffff00",
    secondary="#5fd7ff",
    warning="#ffff00",
    error="#ffff00",
    success="#ffffff",
    accent="#ffff00",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    dark=True,
    variables={"scrollbar": "#ffffff", "scrollbar-background": "#303030"},
)

THEME_16: Final = "ansi-dark"
"""Textual's own theme of the terminal's 16 colours."""

TEXTUAL_THEMES: Final = (THEME, THEME_LIGHT, THEME_CONTRAST)
_LOOKS: Final = {
    "dark": (_COLOURS_256, THEME),
    "light": (_LIGHT_256, THEME_LIGHT),
    "contrast": (_CONTRAST_256, THEME_CONTRAST),
    "mono": (_MONOCHROME, THEME),
}
"""Palette and Textual's theme by the name that the user knows; see netdash.settings.THEMES."""


def choose_palette(
    color_system: str | None, *, ascii_only: bool, theme: str = "dark", no_color: bool | None = None
) -> Palette:
    """The palette for a terminal.

    `color_system`: Rich's name, "standard" for 16 colours, which has one palette in the terminal's own colours whatever
    the theme. `no_color`: None = the environment's NO_COLOR decides (https://no-color.org: set and not empty).
    """
    if no_color is None:
        no_color = bool(os.environ.get("NO_COLOR"))
    if no_color or color_system is None or theme == "mono":
        palette = _MONOCHROME
    else:
        palette = _COLOURS_16 if color_system == "standard" else _LOOKS[theme][0]
    if not ascii_only:
        return palette
    # A bare terminal may lack background colours too, so the bar is an underline there.
    underline = Style(underline=True)
    return replace(palette, bar=underline, cursor_bar=palette.cursor + underline, ascii_only=True)


def textual_theme(color_system: str | None, theme: str) -> str:
    """Name of Textual's theme that goes with the palette."""
    return THEME_16 if color_system == "standard" else _LOOKS[theme][1].name


class PaletteApp(App[int]):
    """An app whose widgets draw with one palette."""

    palette: Palette = _COLOURS_256


def palette_of(app: App[object]) -> Palette:
    """The palette that widgets of `app` draw with."""
    return app.palette if isinstance(app, PaletteApp) else _COLOURS_256
