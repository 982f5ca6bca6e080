"""The filter language of `/` and `--filter`: which rows of the tables are shown.

`parse_filter("port:443 and not user:root")` gives a `Filter`, which says of each table which rows match. Parsing takes
no NumPy: a wrong `--filter` is told before anything heavy is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdash.model.filter.errors import FilterError
from netdash.model.filter.parser import parse
from netdash.model.filter.syntax import Hosts, Node, foreign_words, leaves
from netdash.model.filter.values import ServicePort
from netdash.model.filter.words import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from netdash.model.filter.context import Figures, FilterContext
    from netdash.model.snapshot import Interface, Process

__all__ = ["Filter", "FilterError", "Table", "parse_filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood. Masks are True for rows that match."""

    text: str
    """As the user wrote it."""
    node: Node

    def foreign_words(self, table: Table) -> tuple[str, ...]:
        """Words as written ("proc:") that say nothing of a row of `table` itself; empty: the filter applies to it.

        Interfaces and protocols with such words are not filtered at all; processes are found through their connections.
        """
        return foreign_words(self.node, table)

    @property
    def wants_host_names(self) -> bool:
        """Whether it asks for a host by name: then names have to be looked up that no row on the screen needs."""
        return any(isinstance(leaf, Hosts) and leaf.asks_names for leaf in leaves(self.node))

    def flows(
        self, flows: NDArray[np.void], context: FilterContext, figures: Figures | None = None
    ) -> NDArray[np.bool_]:
        """FLOW_ROW (n) -> bool (n). `figures`: None = those of the interval, from the columns."""
        from netdash.model.filter.context import flow_figures
        from netdash.model.filter.evaluation import ConnectionRows, matching_rows

        return matching_rows(self.node, ConnectionRows(flows, context, lambda: figures or flow_figures(flows, context)))

    def sockets(self, sockets: NDArray[np.void], context: FilterContext) -> NDArray[np.bool_]:
        """SOCKET_ROW (n) -> bool (n). `rate` and `total` are payload, and match no socket that has no counter."""
        from netdash.model.filter.context import socket_figures
        from netdash.model.filter.evaluation import ConnectionRows, matching_rows

        return matching_rows(self.node, ConnectionRows(sockets, context, lambda: socket_figures(sockets, context)))

    def processes(
        self, processes: tuple[Process, ...], context: FilterContext, figures: Figures | None = None
    ) -> NDArray[np.bool_]:
        """n processes -> bool (n).

        With words that only connections have (port:, host:, …) a process matches when one of its flows or sockets in
        `context` does; its figures are still those of all that it moved.
        """
        import numpy as np

        from netdash.model.filter.context import process_figures
        from netdash.model.filter.evaluation import ProcessRows, matching_rows

        if not foreign_words(self.node, "processes"):
            rows = ProcessRows(processes, context, lambda: figures or process_figures(processes, context))
            return matching_rows(self.node, rows)
        pids = np.union1d(
            context.flows["pid"][self.flows(context.flows, context)],
            context.sockets["pid"][self.sockets(context.sockets, context)],
        )
        return np.isin(np.array([process.pid for process in processes], np.int64), pids)

    def interfaces(
        self, interfaces: tuple[Interface, ...], context: FilterContext, figures: Figures | None = None
    ) -> NDArray[np.bool_]:
        """n interfaces -> bool (n); all of them with words that say nothing of an interface."""
        import numpy as np

        from netdash.model.filter.context import interface_figures
        from netdash.model.filter.evaluation import InterfaceRows, matching_rows

        if foreign_words(self.node, "interfaces"):
            return np.ones(len(interfaces), np.bool_)
        rows = InterfaceRows(interfaces, context, lambda: figures or interface_figures(interfaces, context))
        return matching_rows(self.node, rows)


def _no_services(_: str) -> int | None:
    return None


def parse_filter(text: str, service_port: ServicePort = _no_services) -> Filter:
    """Reads a filter; `service_port` gives the port of a service's name, None for unknown ones.

    Raises FilterError, and nothing else, for whatever text.
    """
    return Filter(text, parse(text, service_port))
