"""The Protocols view: what interfaces carry by protocol, size, port and station, and what the kernel's counters say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from netdash.model.headline import headline_interfaces
from netdash.model.history import ServiceFigures, StationFigures
from netdash.model.protocol_history import InterfaceProtocolFigures, ProtocolFigures
from netdash.model.snapshot import Interface
from netdash.model.stations import own_macs
from netdash.ui.keymap import KeyBinding
from netdash.ui.scope import InterfaceScope, Narrowing, Scope
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.counter_rules import findings
from netdash.ui.views.flow_text import ServiceNames
from netdash.ui.views.general_table import general_table
from netdash.ui.views.protocol_keys import PROTOCOL_KEYS, Page, keys_of_page, page_titles
from netdash.ui.views.protocol_lines import PAGE_WORDS, counted_parts, counter_parts, place_parts, since_parts
from netdash.ui.views.protocol_rows import counter_table, protocol_table, size_table, total_rates
from netdash.ui.views.service_table import FROM_SMALLEST, SORTS, ServiceTable, service_words
from netdash.ui.views.station_table import STATION_FROM_SMALLEST, STATION_SORTS, StationTable
from netdash.ui.views.table_sort import TableSort
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.page_line import PageLine
from netdash.ui.widgets.text_line import Part, TextLine, cells_of

_BOTH_SIDE_BY_SIDE_CELLS: Final = 150
"""From this width on the first page has the packet sizes beside the counters."""


_TABLES: Final = {
    Page.PROTOCOLS: "protocol-counters",
    Page.GENERAL: "protocol-general",
    Page.SIZES: "protocol-sizes",
    Page.PORTS: "protocol-ports",
    Page.STATIONS: "protocol-stations",
    Page.COUNTERS: "protocol-counters",
}
"""The table of each page that has the focus."""
_SORTS: Final = {Page.PORTS: frozenset(SORTS), Page.STATIONS: frozenset(STATION_SORTS)}
"""The orders of the pages that are sorted."""


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """What the view draws from until it takes a newer snapshot."""

    figures: ProtocolFigures = field(default_factory=ProtocolFigures)
    services: ServiceFigures = field(default_factory=ServiceFigures)
    stations: StationFigures = field(default_factory=StationFigures)
    headline: tuple[Interface, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    since: float | None = None
    """When the totals begin, seconds since the epoch."""


class ProtocolsView(View):
    """Protocols of one interface or of all physical ones; pages of packet sizes, ports and kernel counters."""

    DEFAULT_CSS = """
    ProtocolsView #protocol-table { height: 11; }
    ProtocolsView #protocol-lower { height: 1fr; }
    ProtocolsView #protocol-interface { background: $panel; }
    ProtocolsView #protocol-detail { background: $panel; }
    """

    title: ClassVar[str] = "Protocols"
    view_id: ClassVar[str] = "protocols"
    keys: ClassVar[tuple[KeyBinding, ...]] = PROTOCOL_KEYS

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._taken: _Taken | None = None
        self._chosen: str | None = None  # None: all physical interfaces together
        self._scope_followed: str | None = None
        self._page = Page.PROTOCOLS
        self._sorts = {
            Page.PORTS: TableSort("rate", FROM_SMALLEST),
            Page.STATIONS: TableSort("rate", STATION_FROM_SMALLEST),
        }

    def compose(self) -> ComposeResult:
        """Which interface, the pages, their tables, and a line about the row under the cursor."""
        yield TextLine(id="protocol-interface")
        yield PageLine(id="protocol-pages")
        protocols = LineTable(id="protocol-table")
        protocols.can_focus = False
        yield protocols
        with Horizontal(id="protocol-lower"):
            yield LineTable(id="protocol-counters")
            yield LineTable(id="protocol-general")
            yield LineTable(id="protocol-sizes")
            yield LineTable(id="protocol-ports")
            yield LineTable(id="protocol-stations")
        yield TextLine(id="protocol-detail")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """On a wide screen the first page has two tables below."""
        if self.size_changed():
            self._draw()

    def measures(self) -> Sequence[str]:
        """Protocols are counted from packets, whatever the flows are; ports are counted from the flows."""
        if self._page is Page.PORTS:
            return super().measures()
        unit = self.state.units.rate_unit
        return (f"wire bytes with headers, {unit}", f"wire bytes, {unit}", unit)

    def receive(self, state: DashboardState) -> None:
        """Takes the protocols of the newest snapshot."""
        if state.snapshot is None:
            return
        interfaces, histories = state.snapshot.interfaces, state.histories
        headline = tuple(headline_interfaces(interfaces))
        figures = (histories.protocols.figures, histories.services.figures, histories.stations.figures)
        self._taken = _Taken(*figures, headline, interfaces, histories.since)
        self._draw()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def focus_default(self) -> None:
        """The page's table scrolls."""
        self.screen.set_focus(self.query_one(f"#{_TABLES[self._page]}", LineTable))

    def key_line_keys(self) -> tuple[KeyBinding, ...]:
        """Only ports and stations are sorted."""
        return keys_of_page(self._page)

    def _draw(self) -> None:
        taken = self._taken or _Taken()
        self._follow_scope(taken)
        figures = self._figures(taken)
        page, wide = self._page, self.size.width >= _BOTH_SIDE_BY_SIDE_CELLS
        sizes_beside = page is Page.PROTOCOLS and wide
        for name, shown in (
            ("table", page is Page.PROTOCOLS),
            ("counters", page in (Page.PROTOCOLS, Page.COUNTERS)),
            ("general", page is Page.GENERAL),
            ("sizes", page is Page.SIZES or sizes_beside),
            ("ports", page is Page.PORTS),
            ("stations", page is Page.STATIONS),
        ):
            self.query_one(f"#protocol-{name}", LineTable).display = shown
        if page is Page.PROTOCOLS:
            table = protocol_table(figures, taken.figures.interval, self.state.units)
            self.query_one("#protocol-table", LineTable).show(table)
        if page in (Page.PROTOCOLS, Page.COUNTERS):
            empty = "waiting for the first interval" if self._waiting else "no kernel counter moved so far"
            self.query_one("#protocol-counters", LineTable).show(counter_table(taken.figures), empty_text=empty)
        if page is Page.GENERAL:
            table = general_table(taken.figures, taken.interfaces, self.state.units)
            empty = "waiting for the first interval" if self._waiting else "no interface"
            self.query_one("#protocol-general", LineTable).show(table, empty_text=empty)
        if page is Page.SIZES or sizes_beside:
            self._draw_sizes(figures, self.size.width // 2 if sizes_beside else self.size.width)
        if page is Page.PORTS:
            self._draw_ports(taken)
        if page is Page.STATIONS:
            self._draw_stations(taken)
        self._draw_lines(taken, figures)
        self._draw_detail()

    @property
    def _waiting(self) -> bool:
        return self._taken is None or not self._taken.figures.interval

    @property
    def _why_none(self) -> str:
        """Why there are no figures of what is looked at."""
        if self._waiting:
            return "waiting for the first interval"
        counted = self._taken is not None and self._taken.figures.interfaces
        return "its packets are not counted" if counted else "packets are not counted here"

    def _draw_sizes(self, figures: InterfaceProtocolFigures | None, width: int) -> None:
        self.query_one("#protocol-sizes", LineTable).show(
            size_table(
                figures.total.sizes if figures else (),
                width - 1,
                mtu=max((i.mtu for i in self._looked_at()), default=0),
                ascii_only=palette_of(self.app).ascii_only,
            ),
            empty_text=self._why_none,
        )

    def _draw_ports(self, taken: _Taken) -> None:
        rows = taken.services.of_interfaces([interface.index for interface in self._looked_at()])
        resolver = self.state.resolver

        def name_of(port: int, protocol: int) -> str | None:
            return resolver.service(port, protocol) if isinstance(resolver, ServiceNames) else None

        order = self._sorts[Page.PORTS]
        sort, descending = order.key, order.descending
        self.query_one("#protocol-ports", LineTable).show(
            ServiceTable(taken.services, rows, self.state.units, name_of, sort=sort, descending=descending),
            sort=sort,
            descending=descending,
            empty_text="waiting for the first interval" if self._waiting else "no TCP or UDP traffic so far",
        )

    def _draw_stations(self, taken: _Taken) -> None:
        indices = [interface.index for interface in self._looked_at()]
        if self._chosen is None:
            indices.append(0)  # frames of which not even the interface is known
        order, figures = self._sorts[Page.STATIONS], taken.stations
        empty = "no frame of an Ethernet so far" if figures.counted else "packets are not counted here"
        self.query_one("#protocol-stations", LineTable).show(
            StationTable(
                figures.of_interfaces(indices),
                figures.interval,
                self.state.units,
                {interface.index: interface.name for interface in taken.interfaces},
                own_macs(taken.interfaces),
                sort=order.key,
                descending=order.descending,
            ),
            sort=order.key,
            descending=order.descending,
            empty_text="waiting for the first interval" if self._waiting else empty,
        )

    def _follow_scope(self, taken: _Taken) -> None:
        """A new scope chooses its interface; an interface that is gone is chosen no more."""
        scope = self.state.scope.interface.name if self.state.scope.interface else None
        if scope != self._scope_followed:
            self._scope_followed = self._chosen = scope
        if self._taken is not None and all(interface.name != self._chosen for interface in taken.interfaces):
            self._chosen = None

    def _looked_at(self) -> tuple[Interface, ...]:
        """The interfaces whose sum is shown."""
        taken = self._taken or _Taken()
        if self._chosen is None:
            return taken.headline
        return tuple(interface for interface in taken.interfaces if interface.name == self._chosen)

    def _figures(self, taken: _Taken) -> InterfaceProtocolFigures | None:
        counted = [i.name for i in self._looked_at() if i.name in taken.figures.interfaces]
        return taken.figures.combined(counted) if counted else None

    def _draw_lines(self, taken: _Taken, figures: InterfaceProtocolFigures | None) -> None:
        """Whose figures these are, and the pages."""
        place = place_parts(self._chosen, taken.headline, of_process=self.state.scope.process is not None)
        right: list[Part] = [(f"{self._why_none} ", Tone.DIM if self._waiting else Tone.WARN)]
        if figures is not None:
            right = total_rates(figures, taken.figures.interval, self.state.units)
        self.query_one("#protocol-interface", TextLine).show(place, right)
        found = len(findings(taken.figures))
        told = since_parts(taken.figures, taken.since)
        titles = page_titles(self.state.keymap, found)
        bad = (Page.COUNTERS,) if found else ()
        self.query_one("#protocol-pages", PageLine).show_pages(titles, self._page, told, bad=bad)

    def _draw_detail(self) -> None:
        """The line below: about the counter under the cursor, or what the page's figures mean."""
        left = self._detail()
        number = len(self.query_one(f"#{_TABLES[self._page]}", LineTable).model)
        counted = [] if self._waiting else counted_parts(self._page, number)
        fits = cells_of(left) + 1 < self.size.width - cells_of(counted)
        self.query_one("#protocol-detail", TextLine).show(left, counted if fits else ())

    def _detail(self) -> list[Part]:
        if self._page in PAGE_WORDS:
            return [(f" {PAGE_WORDS[self._page]}", Tone.DIM)]
        if self._page is Page.STATIONS:
            table = self.query_one("#protocol-stations", LineTable)
            model = table.model
            return model.detail(table.cursor_index) if isinstance(model, StationTable) and len(model) else []
        figures = None if self._taken is None else self._taken.figures
        return counter_parts(figures, self.query_one("#protocol-counters", LineTable).cursor_key)

    @on(LineTable.Highlighted)
    def _on_highlighted(self) -> None:
        self._draw_detail()

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        order = self._sorts.get(self._page)
        if order is None:
            return
        # A port's service stands for its number, a station's name for its address.
        column = {Page.PORTS: "port", Page.STATIONS: "mac"}[self._page] if message.column_key == "name" else ""
        column = column or message.column_key
        if column == order.key:
            order.turn()
        else:
            order.choose(column)
        self._draw()

    @on(LineTable.Selected)
    def _on_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Into the interface under the cursor, or to the flows of the port."""
        key = self.query_one(f"#{_TABLES[self._page]}", LineTable).cursor_key
        if self._page is Page.GENERAL and isinstance(key, str):
            self._chosen = key
            self._go_to(Page.PROTOCOLS)
        elif self._page is Page.PORTS and isinstance(key, int):
            words = service_words(key)
            if words is None:
                self.post_message(self.Notice("these ports found no room for rows of their own"))
            else:
                self.post_message(self.ScopeRequested(self._scope().narrowed(Narrowing(words)), "flows"))

    def _scope(self) -> Scope:
        """The dashboard's, within the interface that is looked at."""
        chosen = self._looked_at() if self._chosen is not None else ()
        scope = self.state.scope
        return replace(scope, interface=InterfaceScope(chosen[0].index, chosen[0].name)) if chosen else scope

    @on(PageLine.Chosen)
    def _on_page_chosen(self, message: PageLine.Chosen) -> None:
        self._go_to(Page(message.index))

    def _go_to(self, page: Page) -> None:
        self._page = page
        self._draw()
        self.focus_default()
        self.post_message(self.KeysChanged())

    def action_go_to(self, page: int) -> None:
        """Shows a page."""
        self._go_to(Page(page))

    def action_page(self, step: int) -> None:
        """The next page."""
        self._go_to(Page((self._page + step) % len(Page)))

    def action_choose(self, step: int) -> None:
        """The next interface, after the last all physical ones together."""
        if self._taken is None:
            return
        choices = (None, *(interface.name for interface in self._taken.interfaces))
        index = choices.index(self._chosen) if self._chosen in choices else 0
        self._chosen = choices[(index + step) % len(choices)]
        self._draw()

    def action_sort(self, sort: str) -> None:
        """Sorts the ports or the stations."""
        if self._page in self._sorts and sort in _SORTS[self._page]:
            self._sorts[self._page].choose(sort)
            self._draw()
            self._tell_order()

    def action_sort_column(self, step: int) -> None:
        """Sorts by the column beside the one that is sorted by."""
        if self._page in self._sorts:
            columns = self.query_one(f"#{_TABLES[self._page]}", LineTable).model.columns
            keys = [column.key for column in columns if column.key in _SORTS[self._page]]
            self._sorts[self._page].step(keys, step)
            self._draw()
            self._tell_order()

    def action_reverse(self) -> None:
        """Turns the order round."""
        if self._page in self._sorts:
            self._sorts[self._page].turn()
            self._draw()
            self._tell_order()

    def _tell_order(self) -> None:
        """The sum of both directions has no column that could have the mark."""
        order = self._sorts[self._page]
        words = {"rate": "rate, both directions", "bytes": "bytes since the start, both directions"}
        first = "the most first" if order.descending else "the least first"
        if (of := words.get(order.key)) is not None:
            self.post_message(self.Notice(f"by {of}, {first}"))
