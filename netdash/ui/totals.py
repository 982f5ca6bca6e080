"""The rates of the header line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdash.model.select import InterfaceSelection
from netdash.ui.scope import Scope

if TYPE_CHECKING:
    from netdash.model.snapshot import Snapshot


class HeadlineRates(NamedTuple):
    """Bytes per second, wire, by the interfaces' own counters; None = not known."""

    rx: float | None
    tx: float | None


def headline_rates(snapshot: Snapshot, selection: InterfaceSelection, scope: Scope) -> HeadlineRates:
    """The rates of the scope's interface, else of the selected interfaces, each packet once."""
    if snapshot.interval <= 0:
        return HeadlineRates(None, None)
    from netdash.model.headline import headline_interfaces  # imports NumPy, too slow for the first paint

    if scope.interface is not None:
        wanted = scope.interface.index
        chosen = [i for i in snapshot.interfaces if i.index == wanted]
    else:
        chosen = headline_interfaces(i for i in snapshot.interfaces if selection.matches(i.name))
    rx = [i.rx_bytes for i in chosen if i.rx_bytes is not None]
    tx = [i.tx_bytes for i in chosen if i.tx_bytes is not None]
    return HeadlineRates(
        sum(rx) / snapshot.interval if rx else None,
        sum(tx) / snapshot.interval if tx else None,
    )
