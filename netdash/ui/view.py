"""The base of the dashboard's views, one per tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message

from netdash.ui.keymap import KeyBinding, bindings
from netdash.ui.scope import Scope
from netdash.ui.state import DashboardState
from netdash.ui.widgets.holder import Stack


class View(Stack):
    """One tab. It composes its widgets (one of them, mostly a LineTable, can have the focus) and draws from the state.

    The dashboard mounts a view when it is first chosen and calls it only while it is visible.
    """

    DEFAULT_CSS = """
    View { height: 1fr; width: 1fr; }
    """

    title: ClassVar[str] = ""
    """The tab's name."""
    view_id: ClassVar[str] = ""
    """Names the view in code: "flows"."""
    keys: ClassVar[tuple[KeyBinding, ...]] = ()
    """The view's own keys: bindings, key line and help are made from these."""
    BINDINGS: ClassVar[list[BindingType]] = []

    class ScopeRequested(Message):
        """The user drills down: limit all views to `scope` and go to the view `view_id`."""

        def __init__(self, scope: Scope, view_id: str) -> None:
            super().__init__()
            self.scope = scope
            self.view_id = view_id

    class Notice(Message):
        """Something to tell in one line for some seconds."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class KeysChanged(Message):
        """`key_line_keys` of the view is another now."""

    def __init_subclass__(cls) -> None:
        cls.BINDINGS = list(bindings(cls.keys))
        super().__init_subclass__()

    def __init__(self, state: DashboardState) -> None:
        super().__init__(id=f"view-{self.view_id}")
        self.state = state
        self._drawn_size = Size()

    def receive(self, state: DashboardState) -> None:
        """A new snapshot is there (`state.snapshot` is not None), or the view becomes visible: take it and draw.

        Not called while the view is paused, except for the first time that a view becomes visible.
        """
        raise NotImplementedError

    def redraw(self, state: DashboardState) -> None:
        """Units, names or the scope changed: draw again. Views that keep what they took draw that, paused or not."""
        self.receive(state)

    def leave(self) -> None:
        """Another view is shown from now on: ends what runs only to be seen."""

    def size_changed(self) -> bool:
        """Whether the size is another than when this was asked last: a view that is shown again is told its size too,
        and has been drawn by then."""
        before, self._drawn_size = self._drawn_size, self.size
        return before != self.size

    def measures(self) -> Sequence[str]:
        """What the view's rates count, for the tab line: the longest wording first. The default is that of flows."""
        unit = self.state.units.rate_unit
        if self.state.layer == "payload":
            return (f"payload of TCP sockets, {unit}", "payload of TCP sockets", f"TCP payload, {unit}")
        return (f"wire bytes with headers, {unit}", f"wire bytes, {unit}", unit)

    def key_line_keys(self) -> tuple[KeyBinding, ...]:
        """The view's keys that have a use now."""
        return self.keys

    def back(self) -> bool:
        """Esc: closes what is open inside the view. True when there was something."""
        return False

    def focus_default(self) -> None:
        """Gives the focus to the first widget of the view that takes it."""
        for widget in self.query("*"):
            if widget.focusable:
                self.screen.set_focus(widget, scroll_visible=False)
                return
