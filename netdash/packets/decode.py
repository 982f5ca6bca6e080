"""Packets for the eye: one line each, a tree of layers and fields, a hex dump. Scapy is imported by the first decoding.

`Decoder` does it in a thread. All text is sanitised; hostile bytes never raise, and take bounded time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netdash.model.packets import WatchedPacket
from netdash.model.sanitize import sanitize
from netdash.packets.payload import describe_payload

if TYPE_CHECKING:
    from netdash.packets.dissection import DecodedLayer

_TCP_FLAGS: Final = "FSRPAUEC"
_INFO_LIMIT: Final = 240
_LOWER_LAYERS: Final = frozenset({"Raw", "Padding"})


@dataclass(frozen=True, slots=True)
class PacketSummary:
    """One line of a packet list."""

    time_ns: int
    """Wall clock, nanoseconds since the epoch."""
    outgoing: bool
    length: int
    """Bytes of the whole packet."""
    source: str
    """Address, with the port where there is one; a MAC address where the packet is not IP."""
    destination: str
    protocol: str
    info: str


@dataclass(frozen=True, slots=True)
class DecodedPacket:
    """Everything of one packet."""

    summary: PacketSummary
    layers: tuple[DecodedLayer, ...]


@dataclass(frozen=True, slots=True)
class HexLine:
    """Sixteen bytes: offset, their hex digits, and as characters with a dot for what is not printable."""

    offset: int
    digits: str
    characters: str


class Decoder:
    """Decodes in one thread of its own, in the order of the calls."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "packet-decoder")

    def load(self) -> None:
        """Begins to load what decoding needs, so that the first packet need not wait for it."""
        self._thread.submit(_load)

    async def summaries(self, packets: Sequence[WatchedPacket]) -> list[PacketSummary]:
        """A line of each; some 0.3 ms a packet, and a second more for the first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _summaries, tuple(packets))

    async def packet(self, packet: WatchedPacket) -> DecodedPacket:
        """All layers."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, decode, packet)

    def close(self) -> None:
        """Waits for nothing; what is not begun is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _load() -> None:
    import netdash.packets.dissection  # noqa: F401


def _summaries(packets: Sequence[WatchedPacket]) -> list[PacketSummary]:
    return [decode(packet).summary for packet in packets]


def decode(packet: WatchedPacket) -> DecodedPacket:
    """Summary and layers. Takes milliseconds, the first time a second: see `Decoder`."""
    from netdash.packets.dissection import dissect

    layers = dissect(packet.data, packet.link)
    return DecodedPacket(summarize(packet, layers), layers)


def summarize(packet: WatchedPacket, layers: Sequence[DecodedLayer]) -> PacketSummary:
    """The line of a packet whose layers are known."""
    source, destination = _ends(layers)
    protocol, info = _describe(layers)
    if packet.vlan:
        info = f"VLAN {packet.vlan & 0xFFF} {info}"
    return PacketSummary(
        packet.time_ns,
        packet.outgoing,
        packet.length,
        source,
        destination,
        protocol,
        sanitize(info.strip(), _INFO_LIMIT),
    )


def hex_dump(data: bytes, width: int = 16) -> list[HexLine]:
    """The bytes in lines."""
    lines = []
    for offset in range(0, len(data), width):
        part = data[offset : offset + width]
        characters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(HexLine(offset, part.hex(" "), characters))
    return lines


def _find(layers: Sequence[DecodedLayer], *kinds: str) -> DecodedLayer | None:
    """The innermost of these kinds."""
    return next((layer for layer in reversed(layers) if layer.kind in kinds), None)


def _number(layer: DecodedLayer, name: str) -> int:
    value = layer.values.get(name)
    return int(value) if isinstance(value, int) else 0


def _ends(layers: Sequence[DecodedLayer]) -> tuple[str, str]:
    ip = _find(layers, "IP", "IPv6") or _find(layers, "Ether", "Dot3")
    if ip is None:
        return "", ""
    ends = [sanitize(str(ip.values.get(name, "")), 48) for name in ("src", "dst")]
    transport = _find(layers, "TCP", "UDP", "SCTP")
    if transport is not None and ip.kind in ("IP", "IPv6"):
        ports = (_number(transport, "sport"), _number(transport, "dport"))
        ends = [f"[{end}]:{port}" if ":" in end else f"{end}:{port}" for end, port in zip(ends, ports, strict=True)]
    return ends[0], ends[1]


def _describe(layers: Sequence[DecodedLayer]) -> tuple[str, str]:
    dns = _find(layers, "DNS")
    if dns is not None:
        return "DNS", _describe_dns(dns)
    tcp, udp = _find(layers, "TCP"), _find(layers, "UDP")
    payload = _payload(layers)
    if tcp is not None:
        length = _tcp_payload_bytes(layers, tcp, len(payload))
        known = describe_payload(payload)
        return (
            (known[0], f"{known[1]} · {_describe_tcp(tcp, length)}") if known else ("TCP", _describe_tcp(tcp, length))
        )
    inner = next((layer for layer in reversed(layers) if layer.kind not in _LOWER_LAYERS), None)
    if udp is not None and (inner is None or inner.kind == "UDP"):
        return "UDP", f"len={max(0, _number(udp, 'len') - 8)}"
    if inner is None:
        return "data", f"{len(payload)} bytes"
    if inner.kind in ("ICMP", "ARP") or inner.kind.startswith("ICMPv6"):
        return ("ICMPv6" if inner.kind.startswith("ICMPv6") else inner.kind), _shown(inner, 4)
    return inner.name, _shown(inner, 3)


def _payload(layers: Sequence[DecodedLayer]) -> bytes:
    raw = _find(layers, "Raw")
    value = raw.values.get("load") if raw is not None else None
    return value if isinstance(value, bytes) else b""


def _tcp_payload_bytes(layers: Sequence[DecodedLayer], tcp: DecodedLayer, kept: int) -> int:
    """By the IP header, since the payload may be cut; a super-packet above 64 KiB has 0 there."""
    ip = _find(layers, "IP", "IPv6")
    if ip is None:
        return kept
    if ip.kind == "IP":
        told = _number(ip, "len") - 4 * _number(ip, "ihl")
    else:
        extensions = (layer for layer in layers if layer.kind.startswith("IPv6ExtHdr"))
        told = _number(ip, "plen") - sum(layer.length or 0 for layer in extensions)
    return max(kept, told - 4 * _number(tcp, "dataofs"))


def _shown(layer: DecodedLayer, count: int) -> str:
    """Its first fields, checksums left out; of ARP the question."""
    if layer.kind == "ARP":
        asked, asking = layer.values.get("pdst", "?"), layer.values.get("psrc", "?")
        return (
            f"who has {asked}? tell {asking}"
            if _number(layer, "op") == 1
            else f"{asking} is at {layer.values.get('hwsrc')}"
        )
    shown = [field for field in layer.fields if "chksum" not in field.name and "cksum" not in field.name]
    if layer.kind == "ICMP":
        shown = [field for field in shown if field.name in ("type", "code", "id", "seq")]
    return " ".join(f"{field.name}={field.value}" for field in shown[:count])


def _describe_tcp(tcp: DecodedLayer, length: int) -> str:
    bits = _number(tcp, "flags") or _flag_bits(str(tcp.values.get("flags", "")))
    flags = "".join(letter for bit, letter in enumerate(_TCP_FLAGS) if bits >> bit & 1) or "-"
    # The length first: in a narrow list the rest is cut.
    text = f"[{flags}] len={length} seq={_number(tcp, 'seq')}"
    if bits >> 4 & 1:
        text += f" ack={_number(tcp, 'ack')}"
    return f"{text} win={_number(tcp, 'window')}"


def _flag_bits(letters: str) -> int:
    return sum(1 << bit for bit, letter in enumerate(_TCP_FLAGS) if letter in letters)


def _describe_dns(dns: DecodedLayer) -> str:
    fields = {field.name: field.value for field in dns.fields}
    code = fields.get("rcode", "")
    kind = "answer" if _number(dns, "qr") else "query"
    text = f"{kind} {dns.values.get('question', '')}"
    if kind == "answer":
        text += f" → {dns.values.get('answers', '') or code}"
    return text
