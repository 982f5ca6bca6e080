"""The Protocols view: what interfaces carry by protocol, size and port, and what the kernel's counters say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from netdash.model.headline import headline_interfaces
from netdash.model.history import ServiceFigures
from netdash.model.protocol_history import InterfaceProtocolFigures, ProtocolFigures
from netdash.model.snapshot import Interface
from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.counter_rules import finding, findings
from netdash.ui.views.counter_texts import meaning
from netdash.ui.views.flow_text import ServiceNames
from netdash.ui.views.protocol_rows import counter_table, protocol_table, size_table, total_rates
from netdash.ui.views.service_table import FROM_SMALLEST, SORTS, ServiceTable
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.page_line import PageLine
from netdash.ui.widgets.text_line import Part, TextLine

_BOTH_SIDE_BY_SIDE_CELLS: Final = 150
"""From this width on the first page has the packet sizes beside the counters."""


class Page(IntEnum):
    """The pages, in their order."""

    PROTOCOLS = 0
    SIZES = 1
    PORTS = 2
    COUNTERS = 3


_TITLES: Final = ("protocols", "sizes", "ports", "kernel counters")
_TABLES: Final = {
    Page.PROTOCOLS: "protocol-counters",
    Page.SIZES: "protocol-sizes",
    Page.PORTS: "protocol-ports",
    Page.COUNTERS: "protocol-counters",
}
"""The table of each page that has the focus."""


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """What the view draws from until it takes a newer snapshot."""

    figures: ProtocolFigures = field(default_factory=ProtocolFigures)
    services: ServiceFigures = field(default_factory=ServiceFigures)
    headline: tuple[Interface, ...] = ()
    interfaces: tuple[Interface, ...] = ()


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
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("protocols.page", "s", "page(1)", "next page", "Protocols, packet sizes, ports, kernel counters"),
        KeyBinding("protocols.page_before", "S", "page(-1)", "", "The page before"),
        KeyBinding("protocols.next", "right_square_bracket", "choose(1)", "interface", "Next interface", "[ ]"),
        KeyBinding("protocols.previous", "left_square_bracket", "choose(-1)", "", "Interface before", "["),
        KeyBinding("protocols.sort_rate", "r", "sort('rate')", "rate", "Ports by the rate of the last interval"),
        KeyBinding("protocols.sort_total", "T", "sort('bytes')", "total", "Ports by bytes since the start"),
        KeyBinding("protocols.sort_port", "P", "sort('port')", "port", "Ports by their number"),
        KeyBinding("protocols.sort_next", "c", "sort_column(1)", "column", "Ports by the next column to the right"),
        KeyBinding("protocols.sort_before", "C", "sort_column(-1)", "", "Ports by the next column to the left"),
        KeyBinding("protocols.reverse", "R", "reverse", "", "Reverse the order of the ports"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._taken: _Taken | None = None
        self._chosen: str | None = None  # None: all physical interfaces together
        self._scope_followed: str | None = None
        self._page = Page.PROTOCOLS
        self._sort = "rate"
        self._descending = True

    def compose(self) -> ComposeResult:
        """Which interface, the pages, their tables, and a line about the row under the cursor."""
        yield TextLine(id="protocol-interface")
        yield PageLine(id="protocol-pages")
        protocols = LineTable(id="protocol-table")
        protocols.can_focus = False
        yield protocols
        with Horizontal(id="protocol-lower"):
            yield LineTable(id="protocol-counters")
            yield LineTable(id="protocol-sizes")
            yield LineTable(id="protocol-ports")
        yield TextLine(id="protocol-detail")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """On a wide screen the first page has two tables below."""
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
        self._taken = _Taken(histories.protocols.figures, histories.services.figures, headline, interfaces)
        self._draw()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def focus_default(self) -> None:
        """The page's table scrolls."""
        self.query_one(f"#{_TABLES[self._page]}", LineTable).focus()

    def key_line_keys(self) -> tuple[KeyBinding, ...]:
        """Only ports are sorted."""
        sorting = ("protocols.sort", "protocols.reverse")
        return tuple(key for key in self.keys if self._page is Page.PORTS or not key.id.startswith(sorting))

    def _draw(self) -> None:
        taken = self._taken or _Taken()
        self._follow_scope(taken)
        figures = self._figures(taken)
        page, wide = self._page, self.size.width >= _BOTH_SIDE_BY_SIDE_CELLS
        sizes_beside = page is Page.PROTOCOLS and wide
        for name, shown in (
            ("table", page is Page.PROTOCOLS),
            ("counters", page in (Page.PROTOCOLS, Page.COUNTERS)),
            ("sizes", page is Page.SIZES or sizes_beside),
            ("ports", page is Page.PORTS),
        ):
            self.query_one(f"#protocol-{name}", LineTable).display = shown
        if page is Page.PROTOCOLS:
            table = protocol_table(figures, taken.figures.interval, self.state.units)
            self.query_one("#protocol-table", LineTable).show(table)
        if page in (Page.PROTOCOLS, Page.COUNTERS):
            empty = "waiting for the first interval" if self._waiting else "no kernel counter moved so far"
            self.query_one("#protocol-counters", LineTable).show(counter_table(taken.figures), empty_text=empty)
        if page is Page.SIZES or sizes_beside:
            self._draw_sizes(figures, self.size.width // 2 if sizes_beside else self.size.width)
        if page is Page.PORTS:
            self._draw_ports(taken)
        self._draw_lines(taken, figures)
        self._draw_detail()

    @property
    def _waiting(self) -> bool:
        return self._taken is None or not self._taken.figures.interval

    def _draw_sizes(self, figures: InterfaceProtocolFigures | None, width: int) -> None:
        self.query_one("#protocol-sizes", LineTable).show(
            size_table(
                figures.total.sizes if figures else (),
                width - 1,
                mtu=max((i.mtu for i in self._looked_at()), default=0),
                ascii_only=palette_of(self.app).ascii_only,
            ),
            empty_text="waiting for the first interval" if self._waiting else "packets are not counted here",
        )

    def _draw_ports(self, taken: _Taken) -> None:
        rows = taken.services.of_interfaces([interface.index for interface in self._looked_at()])
        resolver = self.state.resolver

        def name_of(port: int, protocol: int) -> str | None:
            return resolver.service(port, protocol) if isinstance(resolver, ServiceNames) else None

        sort, descending = self._sort, self._descending
        self.query_one("#protocol-ports", LineTable).show(
            ServiceTable(taken.services, rows, self.state.units, name_of, sort=sort, descending=descending),
            sort=sort,
            descending=descending,
            empty_text="waiting for the first interval" if self._waiting else "no TCP or UDP traffic so far",
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
        place: list[Part] = [" ◂ "]
        if self._chosen is None:
            names = ", ".join(interface.name for interface in taken.headline)
            physical = all(interface.kind == "physical" for interface in taken.headline)
            place += [("all physical" if physical else "all", Tone.ACCENT), f": {names}" if names else ""]
        else:
            place.append((self._chosen, Tone.ACCENT))
        place.append(" ▸")
        if self.state.scope.process is not None:
            place.append((" all processes: packets are not counted by process", Tone.WARN))
        right: list[Part] = [("packets are not counted here ", Tone.WARN)]
        if figures is not None:
            right = total_rates(figures, taken.figures.interval, self.state.units)
        self.query_one("#protocol-interface", TextLine).show(place, right)
        found = len(findings(taken.figures))
        titles = [f"{title} !{found}" if found and title == _TITLES[-1] else title for title in _TITLES]
        used = taken.figures.gauges.get("Sockstat.sockets.used")
        told: list[Part] = [(f"{used} sockets in use ", Tone.DIM)] if used is not None else []
        if found:
            told = [(f"! {found} counter{'s' * (found > 1)} abnormal now ", Tone.BAD)]
        self.query_one("#protocol-pages", PageLine).show_pages(titles, self._page, told)

    def _draw_detail(self) -> None:
        """The line below: about the counter under the cursor, or what the page's figures mean."""
        self.query_one("#protocol-detail", TextLine).show(self._detail())

    def _detail(self) -> list[Part]:
        if self._page is Page.SIZES:
            return [
                (" frames with their headers as on the wire, since the start; >MTU: offload or a wrong MTU", Tone.DIM)
            ]
        if self._page is Page.PORTS:
            return [(" the port of a listener here, else the lower of both; here: this host offers it", Tone.DIM)]
        name = self.query_one("#protocol-counters", LineTable).cursor_key
        if not isinstance(name, str) or self._taken is None:
            return [(" kernel counters are of all interfaces of this network namespace", Tone.DIM)]
        found = finding(self._taken.figures, name)
        if found is None:
            words = meaning(name)
            return [(f" {name}: {words or 'no words for it here; see nstat(8) and snmp_counter.rst'}", Tone.DIM)]
        parts: list[Part] = [(f" ! {found.how_much}", Tone.BAD)]
        return [*parts, f"  look: {found.look}"] if found.look else parts

    @on(LineTable.Highlighted, "#protocol-counters")
    def _on_highlighted(self) -> None:
        self._draw_detail()

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        if self._page is not Page.PORTS:
            return
        column = "port" if message.column_key == "name" else message.column_key
        if column == self._sort:
            self.action_reverse()
        else:
            self.action_sort(column)

    @on(PageLine.Chosen)
    def _on_page_chosen(self, message: PageLine.Chosen) -> None:
        self._go_to(Page(message.index))

    def _go_to(self, page: Page) -> None:
        self._page = page
        self._draw()
        self.focus_default()
        self.post_message(self.KeysChanged())

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
        """Sorts the ports."""
        self._sort, self._descending = sort, sort not in FROM_SMALLEST
        self._draw()

    def action_sort_column(self, step: int) -> None:
        """Sorts the ports by the column beside the one that they are sorted by."""
        keys = [key for key in SORTS if key != "rate"]
        index = (keys.index(self._sort) + step) if self._sort in keys else (0 if step > 0 else -1)
        self.action_sort(keys[index % len(keys)])

    def action_reverse(self) -> None:
        """Turns the order of the ports round."""
        self._descending = not self._descending
        self._draw()
