"""Scapy, wrapped with types: the only module that imports it, and itself imported when the first packet is looked at.

Importing takes a second; whoever draws a screen does it in a thread (`decode.Decoder`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from scapy.fields import ConditionalField, MayEnd, MultipleTypeField
from scapy.layers.dns import DNS
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import NoPayload, Packet

from netdash.model.packets import LINK_ETHERNET
from netdash.model.sanitize import sanitize

for _layers in ("dhcp", "dhcp6", "dns", "ntp", "vxlan", "sctp"):
    # Each binds its layers to the ports and protocols that carry them.
    import_module(f"scapy.layers.{_layers}")

MAX_BYTES: Final = 4096
"""Of a packet that are dissected: bounds the time."""
MAX_LAYERS: Final = 24
MAX_FIELDS: Final = 64
"""Of one layer."""
MAX_VALUE: Final = 200
"""Characters of a field's value."""

MAX_RECORDS: Final = 4
"""Of a DNS message that its line tells."""

_FIXED_SIZE: Final = (
    "BitField",
    "ByteField",
    "ShortField",
    "IntField",
    "LongField",
    "MACField",
    "IPField",
    "IP6Field",
    "EnumField",
)


@dataclass(frozen=True, slots=True)
class DecodedField:
    """One field of a layer, ready to be shown."""

    name: str
    value: str
    offset: int | None = None
    """Of its first byte in the packet's data; None where that is not known."""
    length: int | None = None
    """Bytes, bit fields rounded up; None where that is not known."""


@dataclass(frozen=True, slots=True)
class DecodedLayer:
    """One protocol's header."""

    name: str
    offset: int | None
    length: int | None
    fields: tuple[DecodedField, ...]
    values: dict[str, object]
    """Plain values (int, str, bytes) by scapy's field names."""
    kind: str
    """Scapy's class name: `IP`, `TCP`, `DNS`."""


def dissect(data: bytes, link: int) -> tuple[DecodedLayer, ...]:
    """The layers of a packet, outermost first. Never raises: what cannot be decoded ends the list."""
    data = data[:MAX_BYTES]
    if not data:
        return ()
    try:
        packet = _first_layer(data, link)(data)
        return tuple(_layers_of(packet, data))
    except Exception as error:  # hostile bytes raise anything in scapy's hundreds of dissectors
        return (_undecoded(data, type(error).__name__),)


def _first_layer(data: bytes, link: int) -> type[Packet]:
    if link == LINK_ETHERNET:
        return Ether
    return IPv6 if data[0] >> 4 == 6 else IP


def _undecoded(data: bytes, reason: str) -> DecodedLayer:
    fields = (DecodedField("not decoded", reason, 0, len(data)),)
    return DecodedLayer("Data", 0, len(data), fields, {"load": data}, "Raw")


def _layers_of(packet: Packet, data: bytes) -> Iterator[DecodedLayer]:
    offset: int | None = 0
    layer: Packet = packet
    for _ in range(MAX_LAYERS):
        if isinstance(layer, NoPayload):
            return
        header = layer.raw_packet_cache
        if offset is not None and (header is None or data[offset : offset + len(header)] != header):
            offset = None
        length = None if header is None else len(header)
        fields, values = _fields_of(layer, offset, length)
        if isinstance(layer, DNS):
            values["question"], values["answers"] = _dns_texts(layer)
        name = sanitize(str(layer.name), 48)
        yield DecodedLayer(name, offset, length, fields, values, type(layer).__name__)
        offset = None if offset is None or length is None else offset + length
        layer = layer.payload


def _fields_of(
    layer: Packet, offset: int | None, length: int | None
) -> tuple[tuple[DecodedField, ...], dict[str, object]]:
    fields: list[DecodedField] = []
    values: dict[str, object] = {}
    bits: int | None = 0
    for description in layer.fields_desc[:MAX_FIELDS]:
        name = str(description.name)
        value = layer.getfieldval(name)
        field: object = description
        while isinstance(field, (ConditionalField, MayEnd, MultipleTypeField)) or type(field).__name__ == "Emph":
            if isinstance(field, ConditionalField) and not field._evalcond(layer):
                break
            field = field._find_fld_pkt(layer) if isinstance(field, MultipleTypeField) else field.fld  # type: ignore[attr-defined]
        if isinstance(field, ConditionalField):
            continue
        size = _bits_of(field)
        place = None if offset is None or bits is None else offset + bits // 8
        rest = None if length is None or bits is None else max(0, length - bits // 8)
        extent = rest if size is None else -(-((bits or 0) % 8 + size) // 8)
        fields.append(DecodedField(sanitize(name, 48), _text(description, layer, value), place, extent))
        values[name] = value if isinstance(value, (int, str, bytes)) else _text(description, layer, value)
        bits = None if bits is None or size is None else bits + size
    return tuple(fields), values


def _dns_texts(layer: DNS) -> tuple[str, str]:
    """Type and name of the questions, data of the answers; of each the first few."""
    texts = []
    for field, names in (("qd", ("qtype", "qname")), ("an", ("rdata",))):
        records = getattr(layer, field, None) or []
        words = []
        for record in list(records)[:MAX_RECORDS]:
            found = [n for n in names if n in record.fields or n in record.default_fields]
            words.append(" ".join(_record_text(record, name) for name in found))
        texts.append(sanitize(", ".join(filter(None, words)), MAX_VALUE))
    return texts[0], texts[1]


def _record_text(record: Packet, name: str) -> str:
    value = record.getfieldval(name)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if name == "rdata":
        return str(value)
    return str(record.get_field(name).i2repr(record, value))


def _bits_of(field: object) -> int | None:
    """Of a field whose size does not depend on the packet; else None."""
    kinds = {kind.__name__ for kind in type(field).__mro__}
    if "BitField" in kinds:
        return abs(int(getattr(field, "size", 0))) or None
    if kinds.isdisjoint(_FIXED_SIZE) and not any(name.endswith(_FIXED_SIZE) for name in kinds):
        return None
    size = getattr(field, "sz", None)
    return int(size * 8) if isinstance(size, (int, float)) else None


def _text(description: object, layer: Packet, value: object) -> str:
    if isinstance(value, bytes):
        return sanitize(value[:MAX_VALUE].decode("latin-1"), MAX_VALUE)
    shown = description.i2repr(layer, value) if hasattr(description, "i2repr") else value
    return sanitize(str(shown), MAX_VALUE)
