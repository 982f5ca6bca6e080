"""The list of packets: it follows the newest, decodes the rows in sight only, and draws no oftener than a slow line
bears."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from textual import on, work
from textual.message import Message

from netdash.model.held_packets import HeldPackets, PacketSpan
from netdash.packets.decode import Decoder
from netdash.ui.views.packet_table import PacketTable
from netdash.ui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from netdash.packets.decode import PacketSummary

_TICK_SECONDS: Final = 0.1
_CELLS_A_SECOND: Final = 1700
"""A cell of a row takes about 1.5 bytes: within 3 kB/s at 80x24."""
_LONGEST_WAIT_SECONDS: Final = 1.0
_MAX_SUMMARIES: Final = 4096
"""Decoded rows that are kept; they take some 0.5 kB each, and are made again in 0.3 ms."""


class PacketList(LineTable):
    """Rows of `HeldPackets`, the oldest first.

    With the cursor on the last row it follows the newest; elsewhere somebody reads. No scroll bar: with every new row
    it would be drawn too, and take a third of the bytes.
    """

    DEFAULT_CSS = """
    PacketList { scrollbar-size-vertical: 0; }
    """

    class Drawn(Message):
        """Other packets are in the list."""

    class Decoded(Message):
        """Rows of packets that were asked for, for the list of this span."""

        def __init__(self, span: PacketSpan, summaries: dict[int, PacketSummary], failure: str = "") -> None:
            super().__init__()
            self.span = span
            self.summaries = summaries
            self.failure = failure

    def __init__(self, decoder: Decoder, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._decoder = decoder
        self._held = HeldPackets()
        self._span = self._held.span()
        """What of it is in the list: new rows come when they are decoded."""
        self._interfaces: Mapping[int, str] = {}
        self._one_connection = False
        self._empty_words = ""
        self._summaries: dict[int, PacketSummary] = {}
        self._asked: set[int] = set()
        """Numbers of packets in sight that are not decoded."""
        self._decoding = False
        self._changed = False
        self._next_draw = 0.0
        self._growing = True
        self._holding = False
        self._held_key: Hashable | None = None
        self.failure = ""
        """Why packets cannot be decoded; "" where they can."""

    @property
    def span(self) -> PacketSpan:
        """What is in the list."""
        return self._span

    @property
    def follows(self) -> bool:
        """Whether the newest packet is to be seen."""
        return self._growing and not self._holding and self.cursor_index >= len(self.model) - 1

    def hold(self) -> None:
        """The row under the cursor is looked at: the list does not follow the newest until `release`."""
        if not self._holding:
            self._held_key = self.cursor_key if self.follows else None
            self._holding = True

    def release(self) -> None:
        """The inverse: where it followed the newest before, and the cursor was not moved, it does so again."""
        self._holding = False
        if self._held_key is not None and self._held_key == self.cursor_key:
            self.action_last()

    def on_mount(self) -> None:
        """Draws what came in bunches."""
        self.set_interval(_TICK_SECONDS, self._tick)

    def on_resize(self) -> None:
        """The columns depend on the width; what follows the newest goes on to."""
        super().on_resize()
        self.draw()

    def begin(self, held: HeldPackets, *, one_connection: bool, growing: bool) -> None:
        """Shows other packets from now on. `one_connection`: all have the same two ends; `growing`: they come as they
        pass, so that the newest is to be followed."""
        self._growing = growing
        self._held, self._span = held, held.span()
        self._one_connection = one_connection
        self._summaries, self._asked = {}, set()
        self._changed, self._next_draw = False, 0.0
        self._holding = False
        self.draw()

    def describe(self, interfaces: Mapping[int, str], empty_words: str) -> None:
        """Names of interfaces, where packets are of several, and what stands in an empty list."""
        if (interfaces, empty_words) != (self._interfaces, self._empty_words):
            self._interfaces, self._empty_words = interfaces, empty_words
            self.draw()

    def mark_changed(self) -> None:
        """There are other packets than those in the list."""
        self._changed = True
        if not len(self._span):
            self._tick()

    def summary(self, number: int) -> PacketSummary | None:
        """The row of a packet, where it is decoded."""
        return self._summaries.get(number)

    def _tick(self) -> None:
        """Draws what came, once its rows are decoded."""
        if not self._changed or self._decoding or not self.is_on_screen or time.monotonic() < self._next_draw:
            return
        self._changed = False
        span = self._held.span()
        rows = self.capacity if self.follows else 0
        cells = min(rows, len(span)) * self.size.width
        self._next_draw = time.monotonic() + min(_LONGEST_WAIT_SECONDS, cells / _CELLS_A_SECOND)
        self._decode(span, span.numbers[-rows:] if rows else ())

    def _ask(self, number: int) -> None:
        """A row in sight is not decoded: the user went there."""
        if self.failure:
            return
        if not self._asked:
            self.call_later(self._decode_asked)
        self._asked.add(number)

    def _decode_asked(self) -> None:
        # While others are decoded it waits: the rows that are in sight then ask again.
        if not self._decoding:
            self._decode(self._span, sorted(self._asked))

    def _decode(self, span: PacketSpan, numbers: Sequence[int]) -> None:
        """Shows `span` as soon as these packets are decoded."""
        missing = [number for number in numbers if number not in self._summaries and number in span.numbers]
        if not missing or self.failure:
            self._span = span
            self.draw()
            return
        self._decoding = True
        self._decode_numbers(span, missing)

    @work
    async def _decode_numbers(self, span: PacketSpan, numbers: Sequence[int]) -> None:
        """Runs beside the screen and touches no widget."""
        try:
            lines = await self._decoder.summaries([span.packet(number) for number in numbers])
        except ImportError as error:
            self.post_message(self.Decoded(span, {}, f"packets cannot be decoded: {error}; install netdash anew"))
        else:
            self.post_message(self.Decoded(span, dict(zip(numbers, lines, strict=True))))

    @on(Decoded)
    def _on_decoded(self, message: Decoded) -> None:
        message.stop()
        self._decoding = False
        if message.span.held is not self._held:
            return
        self.failure = message.failure
        if len(self._summaries) + len(message.summaries) > _MAX_SUMMARIES:
            self._summaries = {}
        self._summaries |= message.summaries
        self._span = message.span
        self.draw()

    def draw(self) -> None:
        """Shows the rows, the newest if it is followed."""
        follows = self.follows
        self._asked = set()
        self.show(
            PacketTable(
                self._span,
                self._summaries,
                self._interfaces,
                width=self.size.width,
                one_connection=self._one_connection,
                ask=self._ask,
            ),
            empty_text=self._empty_words,
        )
        if follows and len(self._span):
            self.select(self._span.numbers[-1])
        self.post_message(self.Drawn())
