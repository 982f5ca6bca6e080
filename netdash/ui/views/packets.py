"""The page of packets: those of a connection, a process or a filter, decoded while they pass."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import ClassVar, Final

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message

from netdash.model.held_packets import MAX_HELD_PACKETS, HeldPackets
from netdash.model.packet_comment import ProcessNote
from netdash.model.packet_ends import packet_ends
from netdash.model.packets import MAX_PACKETS_A_SECOND, PacketDelivery, PacketWatch, WatchedPacket
from netdash.packets.decode import Decoder
from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone
from netdash.ui.view import View
from netdash.ui.views.packet_choice import PacketChoice, packet_choice
from netdash.ui.views.packet_detail import PacketDetail
from netdash.ui.views.packet_file import ask_and_write
from netdash.ui.views.packet_list import PacketList
from netdash.ui.views.packet_owners import PacketOwners
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import Part, TextLine

_WIDE_CELLS: Final = 120
"""From this width on the counts say why."""


class PacketsView(View):
    """Packets in a list that follows the newest until the cursor is moved up, and all of one of them."""

    DEFAULT_CSS = """
    PacketsView #packet-detail { display: none; }
    PacketsView.-opened #packet-detail { display: block; }
    """

    title: ClassVar[str] = "Packets"
    view_id: ClassVar[str] = "packets"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("packets.open", "enter", "open", "layers", "All of the packet; again: its layers, open and fold"),
        KeyBinding(
            "packets.write", "w", "write", "write file", "Write the packets, with their process, to a pcapng file"
        ),
        KeyBinding("packets.in", "right", "go_in", "", "From the list to the packet's layers, into one, to its bytes"),
        KeyBinding("packets.out", "left", "go_out", "", "The way back; Esc goes it in bigger steps"),
    )

    class Delivered(Message):
        """Packets came, or why there are none."""

        def __init__(self, reading: object, delivery: PacketDelivery) -> None:
            super().__init__()
            self.reading = reading
            self.delivery = delivery

    class Chosen(Message):
        """A filter's flows were found."""

        def __init__(self, choice: PacketChoice) -> None:
            super().__init__()
            self.choice = choice

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._choice: PacketChoice | None = None
        self._reading: object = None
        """Stands for the deliveries that are wanted."""
        self._held = HeldPackets()
        self._skipped = 0
        self._owner: ProcessNote | None = None
        """Whose all packets are, where that was ever known."""
        self._pointed: int | None = None
        """The packet that the cursor was put on because of its time."""
        self._said = ""
        """What the source says is less than was asked for, or why there is nothing."""
        self._refused = False
        self._decoder = Decoder()

    def compose(self) -> ComposeResult:
        """Whose packets these are, how many are held, and the list."""
        yield TextLine(id="packet-choice")
        yield TextLine(id="packet-counts")
        yield PacketList(self._decoder, id="packet-list")
        yield PacketDetail(self._decoder, id="packet-detail")

    def on_unmount(self) -> None:
        """Lets the decoder's thread end."""
        self._decoder.close()

    @property
    def _list(self) -> PacketList:
        return self.query_one(PacketList)

    @property
    def _detail(self) -> PacketDetail:
        return self.query_one(PacketDetail)

    @property
    def _opened(self) -> bool:
        return self.has_class("-opened")

    def measures(self) -> Sequence[str]:
        """What the list counts."""
        return ("bytes: whole frames, before segmentation", "bytes: whole frames", "frame bytes")

    def receive(self, state: DashboardState) -> None:
        """Another scope or filter, or other flows that match it: other packets are watched."""
        if (state.row_filter is not None or state.scope.narrowings) and state.scope.connection is None:
            self._choose_later()
        else:
            self._take_choice(packet_choice(state))

    @work(exclusive=True, group="packet-choice")
    async def _choose_later(self) -> None:
        self.post_message(self.Chosen(await asyncio.to_thread(packet_choice, self.state)))

    @on(Chosen)
    def _on_chosen(self, message: Chosen) -> None:
        if self.display:
            self._take_choice(message.choice)
            self.state.hidden_rows = message.choice.hidden_flows
            self.post_message(self.KeysChanged())  # the header tells it

    def leave(self) -> None:
        """Ends the watch and lets the packets go."""
        self.workers.cancel_group(self, "packet-choice")
        self._end_reading()
        self._choice = self._reading = None
        self._close()
        self._clear()
        self._show_lines()

    def _take_choice(self, choice: PacketChoice) -> None:
        before, feed = self._choice, self.state.packet_feed
        is_other = before is None or before.words != choice.words
        is_elsewhere = not feed.holds(self._moment_ns())
        if is_other or is_elsewhere:
            self._choice = choice
            self._decoder.load()
            self._clear()
            self._read_packets(choice)
        elif before is not None and before.watch != choice.watch and feed.live:
            self._choice = choice
            if before.watch is None or choice.watch is None:
                self._read_packets(choice)
            else:
                self._change_watch(choice.watch)
        self._owner = choice.owner or self._owner
        self._point_at_moment()
        self._show_lines()

    def _moment_ns(self) -> int:
        """The begin of the interval that is shown."""
        snapshot = self.state.snapshot
        return 0 if snapshot is None else int((snapshot.time - snapshot.interval) * 1e9)

    def _clear(self) -> None:
        self._held = HeldPackets()
        self._skipped = 0
        self._said = ""
        choice = self._choice
        self._pointed = self._owner = None
        self._list.begin(
            self._held,
            one_connection=choice is not None and choice.one_connection,
            growing=self.state.packet_feed.live,
        )

    def _read_packets(self, choice: PacketChoice) -> None:
        """From now on deliveries of this choice are wanted."""
        self._reading = object()
        self._watch(self._reading, choice, self._moment_ns())

    @work(group="packet-change")
    async def _change_watch(self, watch: PacketWatch) -> None:
        await self.state.packet_feed.change(watch)

    @work(exclusive=True, group="packet-watch")
    async def _end_reading(self) -> None:
        await self.state.packet_feed.end()

    @work(exclusive=True, group="packet-watch")
    async def _watch(self, reading: object, choice: PacketChoice, moment_ns: int) -> None:
        """Runs beside the screen and touches no widget."""
        if choice.watch is None:
            await self.state.packet_feed.end()
            self.post_message(self.Delivered(reading, PacketDelivery(0, note=choice.reason)))
            return
        async for delivery in self.state.packet_feed.deliveries(choice.watch, moment_ns):
            self.post_message(self.Delivered(reading, delivery))

    @on(Delivered)
    def _on_delivered(self, message: Delivered) -> None:
        if message.reading is not self._reading or self._choice is None:
            return
        delivery = message.delivery
        self._said = delivery.refused or delivery.note or self._choice.note
        self._skipped += delivery.skipped
        packets = self._wanted(delivery.packets)
        if not self.state.packet_feed.live:
            self._held.add(packets, make_room=False)
        elif self.state.paused:
            self._held.miss(len(packets))
        else:
            # What somebody reads does not go away: then the new ones stay out of a full list.
            self._held.add(packets, make_room=self._list.follows)
        self._list.mark_changed()
        if not len(self._list.span):
            self._show_lines()

    def _wanted(self, packets: Sequence[WatchedPacket]) -> Sequence[WatchedPacket]:
        """Without those of interfaces that are not looked at, and of the SSH connection that is hidden: drawing them
        would make the next."""
        session = self.state.hidden_session
        if self.state.options.interfaces.patterns:
            names = self._interface_names()
            packets = [packet for packet in packets if packet.ifindex in names]
        if session is None:
            return packets
        ends = map(packet_ends, packets)
        return [packet for packet, its in zip(packets, ends, strict=True) if its is None or not session.carries(its)]

    def _point_at_moment(self) -> None:
        """Of packets out of a file: the cursor on the first of the moment that is shown, until the user moves it."""
        packets, span = self._list, self._list.span
        moved = self._pointed is not None and packets.cursor_key != self._pointed
        if self.state.packet_feed.live or moved or self._opened or not len(span):
            return
        place = bisect_left(span.all(), self._moment_ns(), key=lambda packet: packet.time_ns)
        self._pointed = span.numbers[min(place, len(span) - 1)]
        packets.select(self._pointed)

    @on(LineTable.Highlighted, "#packet-list")
    def _on_highlighted(self) -> None:
        if self._opened:
            self._show_packet()
        self._show_lines()

    @on(LineTable.Selected, "#packet-list")
    def _on_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Shows all of the packet under the cursor; once more goes to its layers."""
        if self._opened:
            self._detail.layer_table.focus(scroll_visible=False)
        elif len(self._list.span):
            self.add_class("-opened")
            self._list.hold()
            self._show_packet()
            self._show_lines()

    def _show_packet(self) -> None:
        packets, state = self._list, self.state
        if packets.cursor_key not in packets.span.numbers or state.snapshot is None:
            return
        packet = packets.span.packet(packets.span.first + packets.cursor_index)
        owner = PacketOwners.of(state, self._owner)(packet)
        words = "" if owner is None else f"{owner.process or '?'} ({owner.pid}) of {owner.user or 'an unknown user'}"
        self._detail.show_packet(packet, self._interface_names(), words)

    def action_go_in(self) -> None:
        """One step from the list towards the bytes."""
        if self._detail.layer_table.has_focus:
            self._detail.open_layer()
        elif not self._detail.byte_table.has_focus:
            self.action_open()

    def action_go_out(self) -> None:
        """One step back, at most to the list."""
        if not (self._detail.layer_table.has_focus and self._detail.fold_layer()):
            self.back()

    def back(self) -> bool:
        """Esc: from the bytes to the layers, to the list, which then has the whole page again."""
        if self._detail.byte_table.has_focus:
            self._detail.layer_table.focus(scroll_visible=False)
        elif self._detail.layer_table.has_focus:
            self.focus_default()
        elif self._opened:
            self._close()
            self._show_lines()
        else:
            return False
        return True

    def action_write(self) -> None:
        """Asks for a name and writes what is held."""
        owners = PacketOwners.of(self.state, self._owner)
        ask_and_write(self, self._held.span().all(), self._interface_names(), owners)

    def _close(self) -> None:
        self.remove_class("-opened")
        self._list.release()

    @on(PacketList.Drawn)
    def _on_drawn(self) -> None:
        self._point_at_moment()
        self._show_lines()

    def _show_lines(self) -> None:
        """The lines above the list."""
        said = self._list.failure or self._said
        empty = "decoding" if len(self._held) else "no packet yet" if self.state.packet_feed.live else ""
        self._list.describe(self._interfaces(), said or empty)
        left: list[Part] = [" packets ", (self._choice.words if self._choice else "", Tone.ACCENT)]
        self.query_one("#packet-choice", TextLine).show(left, [(f" {said} ", Tone.WARN)] if len(self._held) else [])
        self._show_counts()

    def _interfaces(self) -> dict[int, str]:
        """Names for a column of interfaces; none where all packets are of one."""
        watch = self._choice.watch if self._choice else None
        return {} if watch is None or watch.ifindex else self._interface_names()

    def _interface_names(self) -> dict[int, str]:
        snapshot = self.state.snapshot
        return {interface.index: interface.name for interface in snapshot.interfaces} if snapshot else {}

    def _show_counts(self) -> None:
        """How many there are, and how many there are not."""
        held, wide = self._held, self.size.width >= _WIDE_CELLS
        parts: list[Part] = [f" {len(held):,} shown"]
        if self._skipped:
            parts.append((f"  {self._skipped:,} skipped: over {MAX_PACKETS_A_SECOND}/s or 1 MiB/s", Tone.WARN))
        if held.dropped:
            why = f": {MAX_HELD_PACKETS:,} or 16 MiB are kept" if wide else ""
            parts.append((f"  {held.dropped:,} dropped{why}", Tone.DIM))
        if held.missed:
            parts.append((f"  {held.missed:,} not taken{' in a pause or a full list' if wide else ''}", Tone.WARN))
        looked_at = "Esc: newest" if self._opened else "End: newest"
        right = "" if not self.state.packet_feed.live else "newest " if self._list.follows else f"{looked_at} "
        self.query_one("#packet-counts", TextLine).show(parts, [(right, Tone.DIM)])
