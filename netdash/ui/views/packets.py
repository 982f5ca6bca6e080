"""The page of packets: those of a connection, a process or a filter, decoded while they pass."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer

from netdash.model.held_packets import MAX_HELD_PACKETS, HeldPackets
from netdash.model.packets import MAX_PACKETS_A_SECOND, PacketDelivery
from netdash.packets.decode import Decoder
from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone
from netdash.ui.view import View
from netdash.ui.views.packet_choice import PacketChoice, packet_choice
from netdash.ui.views.packet_table import PacketTable
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import Part, TextLine

if TYPE_CHECKING:
    from netdash.packets.decode import PacketSummary

_DRAW_SECONDS: Final = 0.5
"""At most so often the list is drawn with what came: over SSH a screen of new rows is some two kilobytes."""
_MAX_SUMMARIES: Final = 4096
"""Decoded lines that are kept; they are some 0.5 KB each, and made again in 0.3 ms."""


class PacketsView(View):
    """Packets in a list that follows the newest until the cursor is moved up. Only rows in sight are decoded."""

    DEFAULT_CSS = """
    PacketsView #packet-list { scrollbar-gutter: stable; }
    """

    title: ClassVar[str] = "Packets"
    view_id: ClassVar[str] = "packets"
    keys: ClassVar[tuple[KeyBinding, ...]] = ()

    class Delivered(Message):
        """Packets came, or why there are none."""

        def __init__(self, choice: PacketChoice, delivery: PacketDelivery) -> None:
            super().__init__()
            self.choice = choice
            self.delivery = delivery

    class Chosen(Message):
        """A filter's flows were found."""

        def __init__(self, choice: PacketChoice) -> None:
            super().__init__()
            self.choice = choice

    class Decoded(Message):
        """Lines of packets that were asked for."""

        def __init__(self, held: HeldPackets, summaries: dict[int, PacketSummary], failure: str = "") -> None:
            super().__init__()
            self.held = held
            self.summaries = summaries
            self.failure = failure

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._choice: PacketChoice | None = None
        self._held = HeldPackets()
        self._skipped = 0
        self._said = ""
        """What the source says is less than was asked for, or why there is nothing."""
        self._refused = False
        self._summaries: dict[int, PacketSummary] = {}
        self._asked: set[int] = set()
        """Numbers of packets whose lines are wanted."""
        self._decoder: Decoder | None = None
        self._decoding = False
        self._changed = False
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Whose packets these are, how many are held, and the list."""
        yield TextLine(id="packet-choice")
        yield TextLine(id="packet-counts")
        yield LineTable(id="packet-list")

    def on_mount(self) -> None:
        """Nothing runs while the page is not visible."""
        self._timer = self.set_interval(_DRAW_SECONDS, self._draw_changes, pause=True)

    def on_unmount(self) -> None:
        """Lets the decoder's thread end."""
        if self._decoder is not None:
            self._decoder.close()

    def on_resize(self) -> None:
        """The columns depend on the width."""
        self._show()

    def measures(self) -> Sequence[str]:
        """What the list counts."""
        return ("bytes: whole frames, before segmentation", "bytes: whole frames", "frame bytes")

    def receive(self, state: DashboardState) -> None:
        """Another scope or filter, or other flows that match it: other packets are watched."""
        if self._timer is not None:
            self._timer.resume()
        if state.row_filter is not None and state.scope.connection is None:
            self.run_worker(self._choose_later(), exclusive=True, group="packet-choice")
        else:
            self._take_choice(packet_choice(state))

    async def _choose_later(self) -> None:
        self.post_message(self.Chosen(await asyncio.to_thread(packet_choice, self.state)))

    @on(Chosen)
    def _on_chosen(self, message: Chosen) -> None:
        if self.display:
            self._take_choice(message.choice)

    def leave(self) -> None:
        """Ends the watch and lets the packets go."""
        if self._timer is not None:
            self._timer.pause()
        self.workers.cancel_group(self, "packet-choice")
        self.run_worker(self.state.packet_feed.end(), exclusive=True, group="packet-watch")
        self._choice = None
        self._clear()
        self._show()

    def _take_choice(self, choice: PacketChoice) -> None:
        before, self._choice = self._choice, choice
        if before is None or before.words != choice.words:
            self._clear()
        if before is None or (before.words, before.watch) != (choice.words, choice.watch):
            self.run_worker(self._watch(choice), exclusive=True, group="packet-watch")
        else:
            self._choice = before  # the one that deliveries come for
        self._show()

    def _clear(self) -> None:
        self._held = HeldPackets()
        self._skipped = 0
        self._said, self._refused = "", False
        self._summaries = {}
        self._asked = set()
        self._changed = False

    async def _watch(self, choice: PacketChoice) -> None:
        """Runs beside the screen and touches no widget."""
        if choice.watch is None:
            await self.state.packet_feed.end()
            self.post_message(self.Delivered(choice, PacketDelivery(0, note=choice.reason)))
            return
        async for delivery in self.state.packet_feed.deliveries(choice.watch):
            self.post_message(self.Delivered(choice, delivery))

    @on(Delivered)
    def _on_delivered(self, message: Delivered) -> None:
        if message.choice is not self._choice:
            return
        delivery = message.delivery
        self._said = delivery.refused or delivery.note or message.choice.note
        self._refused = delivery.refused is not None
        self._skipped += delivery.skipped
        if self.state.paused and self.state.packet_feed.live:
            self._held.miss(len(delivery.packets))
        else:
            self._held.add(delivery.packets, make_room=self._follows)
        self._changed = True
        if len(self._held) == len(delivery.packets):
            self._draw_changes()

    @on(LineTable.Highlighted)
    def _on_highlighted(self) -> None:
        self._show_counts()

    @property
    def _follows(self) -> bool:
        """Whether the newest packet is to be seen: the cursor is on the last row. Elsewhere somebody reads, and what is
        read does not go away."""
        table = self.query_one(LineTable)
        return table.cursor_index >= len(table.model) - 1

    def _draw_changes(self) -> None:
        """Draws what came, once its rows are decoded."""
        if not self._changed or self._decoding:
            return
        self._changed = False
        if self._follows:
            numbers = self._held.span().numbers
            self._asked.update(numbers[-max(1, self.query_one(LineTable).capacity) :])
        if not self._decode():
            self._show()

    def _ask(self, number: int) -> None:
        """A row in sight is not decoded: the user went there."""
        if not self._asked:
            self.call_later(self._decode)
        self._asked.add(number)

    def _decode(self) -> bool:
        """Decodes what is asked for in the decoder's thread; whether there is any."""
        span = self._held.span()
        numbers = sorted(n for n in self._asked if n not in self._summaries and n in span.numbers)
        if self._decoding:
            return True
        self._asked = set()
        if not numbers:
            return False
        self._decoding = True
        if self._decoder is None:
            self._decoder = Decoder()
        self.run_worker(self._decode_numbers(self._decoder, self._held, numbers), group="packet-decoder")
        return True

    async def _decode_numbers(self, decoder: Decoder, held: HeldPackets, numbers: Sequence[int]) -> None:
        span = held.span()
        try:
            lines = await decoder.summaries([span.packet(number) for number in numbers])
        except ImportError as error:
            self.post_message(self.Decoded(held, {}, f"packets cannot be decoded: {error}; install netdash anew"))
        else:
            self.post_message(self.Decoded(held, dict(zip(numbers, lines, strict=True))))

    @on(Decoded)
    def _on_decoded(self, message: Decoded) -> None:
        self._decoding = False
        if message.held is not self._held:
            self._draw_changes()
            return
        if message.failure:
            self._said = message.failure
            self._show_counts()
            return
        if len(self._summaries) + len(message.summaries) > _MAX_SUMMARIES:
            self._summaries = {}
        self._summaries |= message.summaries
        self._show()

    def _show(self) -> None:
        """The list and the lines above it."""
        table, choice = self.query_one(LineTable), self._choice
        follows, span = self._follows, self._held.span()
        table.show(
            PacketTable(
                span,
                self._summaries,
                self._interfaces(),
                width=self.size.width - table.styles.scrollbar_size_vertical,
                one_connection=choice is not None and choice.one_connection,
                ask=self._ask,
            ),
            empty_text=self._said or "no packet yet",
        )
        if follows and len(span):
            table.select(span.numbers[-1])
        self.query_one("#packet-choice", TextLine).show(
            [" packets ", (choice.words if choice else "", Tone.ACCENT)], self._note_parts()
        )
        self._show_counts()

    def _interfaces(self) -> dict[int, str]:
        """Names for a column of interfaces; none where all packets are of one."""
        watch, snapshot = (self._choice.watch if self._choice else None), self.state.snapshot
        if watch is None or watch.ifindex or snapshot is None:
            return {}
        return {interface.index: interface.name for interface in snapshot.interfaces}

    def _note_parts(self) -> list[Part]:
        return [(f"{self._said} ", Tone.WARN)] if self._said and len(self._held) else []

    def _show_counts(self) -> None:
        """How many there are, and how many there are not."""
        held = self._held
        parts: list[Part] = [f" {len(held):,} shown"]
        if self._skipped:
            parts.append((f"  {self._skipped:,} skipped: more than {MAX_PACKETS_A_SECOND}/s or 1 MiB/s", Tone.WARN))
        if held.dropped:
            parts.append((f"  {held.dropped:,} dropped: {MAX_HELD_PACKETS:,} or 16 MiB are kept", Tone.DIM))
        if held.missed:
            parts.append((f"  {held.missed:,} not taken", Tone.WARN))
        right = "paused " if self.state.paused else "newest " if self._follows else "End: newest "
        self.query_one("#packet-counts", TextLine).show(parts, [(right, Tone.DIM)])
