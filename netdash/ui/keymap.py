"""Keys: one description of each, from which the bindings, the key line and the help screen are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """One key of the dashboard or of a view."""

    id: str
    """Names the key for remapping: "flows.sort_port"."""
    key: str
    """Textual's name of the key; several separated by commas: "up,k". "" = no key until a key map gives one."""
    action: str
    """Textual action of the widget that holds the key: "sort('port')"."""
    label: str
    """One or two words for the key line; "" keeps it out of the key line."""
    description: str
    """One sentence for the help screen."""
    display: str = ""
    """How the key is written; made from `key` when empty."""
    priority: bool = False
    """Whether it goes before the keys of what has the focus."""

    def binding(self) -> Binding:
        """The binding for Textual."""
        return Binding(
            self.key or _unbound(self.id),
            self.action,
            self.description,
            show=bool(self.label),
            id=self.id,
            priority=self.priority,
        )

    def with_key(self, key: str) -> KeyBinding:
        """The same with another key, as a key map from the user wants it."""
        return replace(self, key=key, display="")

    @property
    def shown(self) -> str:
        """The key as a person writes it: "P", "Space", "↑"; "" where it has none."""
        return self.display or " ".join(key_text(key) for key in self.key.split(",") if key)


def _unbound(binding_id: str) -> str:
    """A name that no terminal sends: Textual knows a binding, whose key a key map may change, only with some key."""
    return f"unbound_{binding_id.replace('.', '_')}"


@dataclass(frozen=True, slots=True)
class Keymap:
    """Which keys the user wants for which actions."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """By the binding's id; "" takes its key away. What is not in it keeps its own."""

    def of(self, keys: Iterable[KeyBinding]) -> list[KeyBinding]:
        """`keys` as the user has them, for help, key line and palette."""
        return [key.with_key(self.keys[key.id]) if key.id in self.keys else key for key in keys]

    def for_textual(self) -> dict[str, str]:
        """What Textual's `App.set_keymap` takes."""
        return {binding_id: key or _unbound(binding_id) for binding_id, key in self.keys.items()}


_KEY_TEXTS: Final[Mapping[str, str]] = {
    "space": "Space",
    "question_mark": "?",
    "plus": "+",
    "minus": "-",
    "slash": "/",
    "escape": "Esc",
    "enter": "Enter",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "shift+left": "Shift+←",
    "shift+right": "Shift+→",
    "ctrl+left": "Ctrl+←",
    "ctrl+right": "Ctrl+→",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
}


def key_text(key: str) -> str:
    """Textual's name of a key as a person writes it."""
    if key.startswith("ctrl+") and key not in _KEY_TEXTS:
        return f"Ctrl+{key[5:].upper()}"
    return _KEY_TEXTS.get(key, key)


def bindings(keys: Iterable[KeyBinding]) -> list[Binding]:
    """Textual's bindings of `keys`."""
    return [key.binding() for key in keys]


DASHBOARD_KEYS: Final[tuple[KeyBinding, ...]] = (
    KeyBinding("dashboard.help", "question_mark,f1", "help", "help", "This help, with all notes", display="?"),
    KeyBinding("dashboard.quit", "q,ctrl+c,ctrl+q", "app.quit", "quit", "Quit at once", display="q"),
    KeyBinding("dashboard.pause", "space", "app.pause", "pause", "Pause, while counting goes on; again: go on"),
    KeyBinding("dashboard.filter", "slash", "filter", "filter", "Filter: show only the rows that match; Esc clears"),
    KeyBinding("dashboard.capture", "f", "capture_filter", "", "Capture filter: which packets are counted at all"),
    KeyBinding("dashboard.record", "l", "toggle_recording", "", "Start a recording of all activity, or end it"),
    KeyBinding("dashboard.back", "escape", "back", "", "Back: close the notes, then one step up"),
    KeyBinding("dashboard.bits", "u", "toggle_bits", "bits/bytes", "Rates in bits or bytes per second"),
    KeyBinding("dashboard.iec", "U", "toggle_iec", "", "Prefixes of 1000 (k, M, G) or 1024 (Ki, Mi, Gi)"),
    KeyBinding("dashboard.faster", "minus", "change_interval(-1)", "", "Shorter interval"),
    KeyBinding("dashboard.slower", "plus,equals_sign", "change_interval(1)", "", "Longer interval", display="+"),
    KeyBinding("dashboard.next_view", "tab", "next_view(1)", "", "Next view"),
    KeyBinding("dashboard.previous_view", "shift+tab", "next_view(-1)", "", "View before"),
    KeyBinding("dashboard.view_1", "1", "choose_view(1)", "", "View Interfaces"),
    KeyBinding("dashboard.view_2", "2", "choose_view(2)", "", "View Flows"),
    KeyBinding("dashboard.view_3", "3", "choose_view(3)", "", "View Processes"),
    KeyBinding("dashboard.view_4", "4", "choose_view(4)", "", "View Sockets"),
    KeyBinding("dashboard.view_5", "5", "choose_view(5)", "", "View Protocols"),
    KeyBinding("dashboard.own_session", "x", "own_session", "", "Hide the SSH session that this is looked at through"),
    KeyBinding(
        "dashboard.save", "ctrl+s", "app.save_settings", "", "Save units, names, theme, keys and columns as default"
    ),
    KeyBinding(
        "dashboard.redraw", "ctrl+r", "app.draw_anew", "", "Draw the screen anew, after something wrote over it"
    ),
    KeyBinding("dashboard.suspend", "ctrl+z", "app.suspend_process", "", "Suspend; fg brings it back"),
)
"""Keys that work in every view."""

FILTER_KEYS: Final[tuple[KeyBinding, ...]] = (
    KeyBinding("filter.complete", "tab", "complete(1)", "", "Complete a word, or a value that is there now"),
    KeyBinding("filter.complete_back", "shift+tab", "complete(-1)", "", "The completion before"),
    KeyBinding("filter.older", "up", "recall(1)", "", "The filter before"),
    KeyBinding("filter.newer", "down", "recall(-1)", "", "The filter after"),
    KeyBinding("filter.keep", "enter", "submit", "", "Keep the filter and go back to the view"),
    KeyBinding("filter.clear", "escape", "clear_filter", "", "No filter"),
)
"""Keys of the filter's prompt."""

TABLE_KEYS: Final[tuple[KeyBinding, ...]] = (
    KeyBinding("table.up", "up,k", "move(-1)", "", "Row up"),
    KeyBinding("table.down", "down,j", "move(1)", "", "Row down"),
    KeyBinding("table.page_up", "pageup", "page(-1)", "", "Page up"),
    KeyBinding("table.page_down", "pagedown", "page(1)", "", "Page down"),
    KeyBinding("table.first", "home", "first", "", "First row; the cursor then stays on top whatever comes up there"),
    KeyBinding("table.last", "end", "last", "", "Last row"),
    KeyBinding(
        "table.select", "enter", "select", "", "Go into the row, where it leads somewhere: the next view, limited to it"
    ),
)
"""Keys of every table."""


def _time_key(name: str, key: str, action: str, label: str, description: str) -> KeyBinding:
    return KeyBinding(f"time.{name}", key, f"app.{action}", label, description, priority=True)


TIME_KEYS: Final[tuple[KeyBinding, ...]] = (
    _time_key("back", "left", "step(-1)", "back", "Paused: one interval back"),
    _time_key("on", "right", "step(1)", "on", "Paused: one interval on"),
    _time_key("back_10", "shift+left", "step_seconds(-10)", "", "Paused: 10 seconds back"),
    _time_key("on_10", "shift+right", "step_seconds(10)", "", "Paused: 10 seconds on"),
    _time_key("back_60", "ctrl+left", "step_seconds(-60)", "", "Paused: a minute back"),
    _time_key("on_60", "ctrl+right", "step_seconds(60)", "", "Paused: a minute on"),
    _time_key("home", "home", "time_home", "", "Paused: to now, and on; a recording: to its start"),
    _time_key("end", "end", "time_end", "", "Paused: to now, and on; a recording: to its end"),
    _time_key("go_to", "g", "ask_moment", "go to", "Paused: go to a time: 14:00, 10m ago, +5m"),
    _time_key("peak_before", "left_curly_bracket", "peak(-1)", "", "To the peak of traffic before"),
    _time_key("peak_next", "right_curly_bracket", "peak(1)", "", "To the next peak of traffic"),
    _time_key("slower", "less_than_sign", "slower", "", "Play slower"),
    _time_key("faster", "greater_than_sign", "faster", "play", "Play from a pause; then faster, up to 600 times"),
)
"""Keys that move in time. Those with priority work while the view is paused or a recording is played."""
