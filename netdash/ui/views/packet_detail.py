"""The pane of one packet: its layers, and beside or below them its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from netdash.model.packets import WatchedPacket
from netdash.packets.decode import DecodedPacket, Decoder
from netdash.ui.views.packet_tree import HEX_CELLS, PACKET, PacketBytes, PacketTree, packet_layers
from netdash.ui.widgets.line_table import LineTable

_WIDE_CELLS: Final = 115
"""From this width on the bytes stand beside the layers."""
_RAW_KINDS: Final = frozenset({"Raw", "Padding"})


class PacketDetail(Container):
    """Shows the packet that it was given last, as soon as it is decoded."""

    DEFAULT_CSS = f"""
    PacketDetail {{ layout: vertical; height: 2fr; width: 1fr; }}
    PacketDetail #packet-layers, PacketDetail #packet-bytes {{ scrollbar-gutter: stable; }}
    PacketDetail.-wide {{ layout: horizontal; height: 1fr; }}
    PacketDetail.-wide #packet-bytes {{ width: {HEX_CELLS + 1}; }}
    """

    class Decoded(Message):
        """All layers of a packet."""

        def __init__(self, packet: WatchedPacket, decoded: DecodedPacket) -> None:
            super().__init__()
            self.packet = packet
            self.decoded = decoded

    def __init__(self, decoder: Decoder, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._decoder = decoder
        self._packet: WatchedPacket | None = None
        self._decoded: DecodedPacket | None = None
        self._interfaces: Mapping[int, str] = {}
        self._process = ""
        self._opened: set[str] = set()
        """Kinds of layers that are open."""
        self._touched = False
        """Whether the user opened or folded any."""

    def compose(self) -> ComposeResult:
        """Layers and bytes."""
        yield LineTable(id="packet-layers")
        yield LineTable(id="packet-bytes")

    @property
    def layer_table(self) -> LineTable:
        """The table of layers."""
        return self.query_one("#packet-layers", LineTable)

    @property
    def byte_table(self) -> LineTable:
        """The table of bytes."""
        return self.query_one("#packet-bytes", LineTable)

    def on_resize(self, event: events.Resize) -> None:
        """Beside each other where there is room."""
        self.set_class(event.size.width >= _WIDE_CELLS, "-wide")

    def show_packet(self, packet: WatchedPacket, interfaces: Mapping[int, str], process: str) -> None:
        """Shows a packet. `interfaces`: names by index; `process`: whose it is, "" where not known."""
        if packet is self._packet:
            return
        self._packet, self._interfaces, self._process = packet, interfaces, process
        self._decode(packet)

    @work(exclusive=True, group="packet-detail")
    async def _decode(self, packet: WatchedPacket) -> None:
        """Runs beside the screen and touches no widget. Without the decoder the list says why."""
        try:
            self.post_message(self.Decoded(packet, await self._decoder.packet(packet)))
        except ImportError:
            return

    @on(Decoded)
    def _on_decoded(self, message: Decoded) -> None:
        message.stop()
        if message.packet is not self._packet:
            return
        self._decoded = message.decoded
        if not self._touched:
            kinds = [layer.kind for layer in message.decoded.layers if layer.kind not in _RAW_KINDS]
            self._opened = set(kinds[-1:]) or {PACKET}
        self._draw_tree()

    def _draw_tree(self) -> None:
        if self._packet is None or self._decoded is None:
            return
        layers = packet_layers(self._packet, self._decoded.layers, self._interfaces, self._process)
        self.layer_table.show(PacketTree(layers, frozenset(self._opened)))
        self._draw_bytes()

    @on(LineTable.Highlighted, "#packet-layers")
    def _draw_bytes(self) -> None:
        """The bytes, those of the layer or field under the cursor marked and in sight."""
        tree, table = self.layer_table.model, self.byte_table
        if self._packet is None or not isinstance(tree, PacketTree) or not len(tree):
            return
        place = tree.place(self.layer_table.cursor_index)
        table.show(PacketBytes(self._packet.data, place), empty_text="no byte was kept")
        if place is not None:
            table.select(place.start - place.start % 16)

    @on(LineTable.Selected, "#packet-layers")
    def _on_selected(self) -> None:
        self.go_in()

    def go_in(self) -> None:
        """Opens or folds the layer under the cursor; from a field goes to its bytes."""
        tree = self.layer_table.model
        if not isinstance(tree, PacketTree) or not len(tree):
            return
        if tree.is_layer(self.layer_table.cursor_index):
            self._fold(tree.layer(self.layer_table.cursor_index).kind)
        else:
            self.byte_table.focus(scroll_visible=False)

    def open_layer(self) -> None:
        """Opens the layer under the cursor; from an open one, or from a field, goes to its bytes."""
        tree = self.layer_table.model
        if isinstance(tree, PacketTree) and len(tree):
            index = self.layer_table.cursor_index
            if tree.is_layer(index) and tree.layer(index).kind not in self._opened:
                self._fold(tree.layer(index).kind)
            else:
                self.byte_table.focus(scroll_visible=False)

    def fold_layer(self) -> bool:
        """Folds the layer of the cursor, and goes to it. False where it is folded."""
        tree = self.layer_table.model
        if not isinstance(tree, PacketTree) or not len(tree):
            return False
        kind = tree.layer(self.layer_table.cursor_index).kind
        if kind not in self._opened:
            return False
        self._fold(kind)
        return True

    def _fold(self, kind: str) -> None:
        self._opened ^= {kind}
        self._touched = True
        self._draw_tree()
        if kind in self._opened:
            table = self.layer_table
            tree, first = table.model, table.cursor_index
            fields = len(tree.layer(first).fields) if isinstance(tree, PacketTree) else 0
            table.reveal(first, first + fields)
