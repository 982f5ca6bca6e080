"""One packet as two tables: its layers with their fields, which fold, and its bytes."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netdash.packets.decode import HexLine, hex_dump
from netdash.ui.theme import Tone
from netdash.ui.views.packet_table import packet_time
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell

if TYPE_CHECKING:
    from netdash.model.packets import WatchedPacket
    from netdash.packets.dissection import DecodedLayer

PACKET: Final = "Packet"
"""Kind of the layer that is none: when and where the packet was seen."""
_PACKET_TYPES: Final = ("to this host", "broadcast", "multicast", "to another host", "sent by this host")
HEX_CELLS: Final = 70
"""What the table of bytes takes, without a scroll bar."""
_BYTES_A_LINE: Final = 16


@dataclass(frozen=True, slots=True)
class TreeField:
    """One line below a layer."""

    name: str
    value: str
    place: range | None = None
    """Its bytes in the packet's data; None where that is not known, or it has none."""


@dataclass(frozen=True, slots=True)
class TreeLayer:
    """One layer with its fields."""

    name: str
    kind: str
    """The same for all layers of a protocol: by it a layer stays open from packet to packet."""
    place: range | None
    words: str
    """What stands beside the name."""
    fields: tuple[TreeField, ...]


def packet_layers(
    packet: WatchedPacket, layers: Sequence[DecodedLayer], interfaces: Mapping[int, str], process: str
) -> tuple[TreeLayer, ...]:
    """The packet itself, then its layers. `process`: whose packet it is; "" where that is not known."""
    day = time.strftime("%Y-%m-%d", time.localtime(packet.time_ns // 10**9))
    kind = packet.packet_type
    fields = [
        TreeField("time", f"{day} {packet_time(packet.time_ns)}"),
        TreeField("interface", interfaces.get(packet.ifindex, f"#{packet.ifindex}")),
        TreeField("direction", _PACKET_TYPES[kind] if kind < len(_PACKET_TYPES) else f"type {kind}"),
        TreeField("length", f"{packet.length} bytes, {len(packet.data)} of them kept"),
    ]
    if packet.vlan:
        fields.append(TreeField("vlan", f"{packet.vlan & 0xFFF}, taken out by the kernel"))
    if process:
        fields.append(TreeField("process", process))
    first = TreeLayer(PACKET, PACKET, None, f"{packet_time(packet.time_ns)}  {packet.length} bytes", tuple(fields))
    return (first, *map(_layer, layers))


def _layer(layer: DecodedLayer) -> TreeLayer:
    fields = tuple(TreeField(f.name, f.value, _place(f.offset, f.length)) for f in layer.fields)
    words = "" if layer.length is None else f"{layer.length} bytes"
    return TreeLayer(layer.name, layer.kind, _place(layer.offset, layer.length), words, fields)


def _place(offset: int | None, length: int | None) -> range | None:
    return None if offset is None or length is None else range(offset, offset + length)


class PacketTree:
    """TableModel of layers; the fields of those that are open stand below them."""

    columns: Sequence[Column] = (
        Column("name", "layer, field", 18, flexible=True, widest=24),
        Column("value", "value", 10, flexible=True),
    )

    def __init__(self, layers: Sequence[TreeLayer], opened: Collection[str]) -> None:
        """`opened`: kinds of the layers that are open."""
        self.layers = layers
        self._opened = opened
        self._rows: list[tuple[int, int]] = []  # layer, and field or -1
        for number, layer in enumerate(layers):
            self._rows.append((number, -1))
            if layer.kind in opened:
                self._rows += [(number, field) for field in range(len(layer.fields))]
        self._index = {row: index for index, row in enumerate(self._rows)}

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> Hashable:
        """Number of the layer, and of the field or -1."""
        return self._rows[index]

    def find(self, key: Hashable) -> int | None:
        """Row of a layer or field; of a field that is folded away, its layer's."""
        found = self._index.get(key) if isinstance(key, tuple) else None
        return self._index.get((key[0], -1)) if found is None and isinstance(key, tuple) else found

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def layer(self, index: int) -> TreeLayer:
        """The layer of a row."""
        return self.layers[self._rows[index][0]]

    def is_layer(self, index: int) -> bool:
        """Whether the row is a layer's own."""
        return self._rows[index][1] < 0

    def place(self, index: int) -> range | None:
        """Where the bytes of a row stand."""
        number, field = self._rows[index]
        return self.layers[number].place if field < 0 else self.layers[number].fields[field].place

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        number, field = self._rows[index]
        layer = self.layers[number]
        if field < 0:
            mark = "▾" if layer.kind in self._opened else "▸"
            return [(f"{mark} {layer.name}", Tone.ACCENT), (layer.words, Tone.DIM)]
        return [f"    {layer.fields[field].name}", layer.fields[field].value]


class PacketBytes:
    """TableModel of bytes, sixteen a line; some may be marked."""

    columns: Sequence[Column] = (
        Column("offset", "byte", 4),
        *(Column(f"byte{n:x}", f" {n:x}", 2) for n in range(_BYTES_A_LINE)),
        Column("text", "text", _BYTES_A_LINE),
    )

    def __init__(self, data: bytes, marked: range | None) -> None:
        """`marked`: what is to be marked, places in `data`."""
        self._lines: list[HexLine] = hex_dump(data)
        self._marked = marked or range(0)

    def __len__(self) -> int:
        return len(self._lines)

    def key(self, index: int) -> Hashable:
        """The line's first byte."""
        return self._lines[index].offset

    def find(self, key: Hashable) -> int | None:
        """Line of a byte."""
        index = key // _BYTES_A_LINE if isinstance(key, int) else -1
        return index if 0 <= index < len(self._lines) else None

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def cells(self, index: int) -> Sequence[Cell]:
        """One line."""
        line = self._lines[index]
        digits: list[Cell] = [
            (text, Tone.MARK) if line.offset + n in self._marked else text
            for n, text in enumerate(line.digits.split(" "))
        ]
        missing = [""] * (_BYTES_A_LINE - len(digits))
        return [(f"{line.offset:04x}", Tone.DIM), *digits, *missing, line.characters]
