"""The views in the order of their tabs; a view's module is imported when it is first chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netdash.ui.view import View


@dataclass(frozen=True, slots=True)
class ViewEntry:
    """One tab, or one page."""

    view_id: str
    title: str
    load: Callable[[], type[View]]


def _interfaces() -> type[View]:
    from netdash.ui.views.interfaces import InterfacesView

    return InterfacesView


def _flows() -> type[View]:
    from netdash.ui.views.flows import FlowsView

    return FlowsView


def _processes() -> type[View]:
    from netdash.ui.views.processes import ProcessesView

    return ProcessesView


def _sockets() -> type[View]:
    from netdash.ui.views.sockets import SocketsView

    return SocketsView


def _protocols() -> type[View]:
    from netdash.ui.views.protocols import ProtocolsView

    return ProtocolsView


def _connection() -> type[View]:
    from netdash.ui.views.connection import ConnectionView

    return ConnectionView


def _packets() -> type[View]:
    from netdash.ui.views.packets import PacketsView

    return PacketsView


VIEWS: Final = (
    ViewEntry("interfaces", "Interfaces", _interfaces),
    ViewEntry("flows", "Flows", _flows),
    ViewEntry("processes", "Processes", _processes),
    ViewEntry("sockets", "Sockets", _sockets),
    ViewEntry("protocols", "Protocols", _protocols),
)

PAGES: Final = (
    ViewEntry("connection", "Connection", _connection),
    ViewEntry("packets", "Packets", _packets),
)
"""What has no tab: reached by Enter on a row, left with Esc."""


def load_views() -> None:
    """Imports what a key leads to, so that the first such key waits no longer than later ones. For a thread
    that has time: the start must not wait for it."""
    for entry in (*VIEWS, *PAGES):
        entry.load()


def entry_of(view_id: str) -> ViewEntry:
    """The view or the page of this name. Raises StopIteration."""
    return next(entry for entry in (*VIEWS, *PAGES) if entry.view_id == view_id)
