"""A TPACKET_V3 receive ring on a packet socket that sees every interface of the current network namespace.

Layouts: <linux/if_packet.h> (`struct tpacket_block_desc`, `struct tpacket3_hdr`, `struct sockaddr_ll`),
<linux/virtio_net.h> (`struct virtio_net_hdr`), <linux/filter.h>; see also packet(7) and
Documentation/networking/packet_mmap.rst.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import socket
import struct
import time
from array import array
from typing import Self

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NotPermittedError, NotSupportedError
from netdash.kernel.byte_windows import load_headers
from netdash.kernel.capture_filter import CaptureFilter
from netdash.kernel.packet_batch import PacketBatch
from netdash.kernel.packet_socket import bind_to_all_interfaces
from netdash.kernel.raw_flow import VLAN_PRESENT
from netdash.model.packets import WatchedPacket, link_of_device
from netdash.model.protocols import ETHERTYPE_QINQ, ETHERTYPE_VLAN

SOL_PACKET = 263
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, PACKET_VNET_HDR = 5, 6, 10, 15
TPACKET_V3 = 2
SO_ATTACH_FILTER = 26
ETHERNET_HEADER_BYTES = 14
TP_STATUS_USER = 0x01
TP_STATUS_VLAN_VALID = 0x10

BLOCK_BYTES = 1 << 20
RING_BYTES = 64 << 20
SMALLEST_RING_BYTES = 4 << 20
FRAME_BYTES = 2048
RETIRE_MS = 10
"""After this time the kernel hands over a block that is not full."""
SNAP_BYTES = 128
"""Captured bytes of each packet: link-layer header, both tags, IP header with options, TCP or UDP header."""
BATCH_PACKETS = 4096
"""Blocks are read together until a batch has that many packets: enough to make the per-call cost small."""

_BLOCK_STATUS, _BLOCK_PACKETS, _BLOCK_FIRST = 2, 3, 4
"""Index of 32-bit words in `struct tpacket_hdr_v1` behind version and offset_to_priv."""
_PACKET_HEADER = np.dtype(
    {
        "names": [
            "seconds",
            "nanoseconds",
            "snap_bytes",
            "skb_bytes",
            "status",
            "link_offset",
            "network_offset",
            "vlan_control",
            "ethertype",
            "ifindex",
            "hardware_type",
            "packet_type",
        ],
        "formats": ["u4", "u4", "u4", "u4", "u4", "u2", "u2", "u4", ">u2", "u4", "u2", "u1"],
        "offsets": [4, 8, 12, 16, 20, 24, 26, 32, 50, 52, 56, 58],
        "itemsize": 60,
    }
)
"""`struct tpacket3_hdr` (48 bytes), then `struct sockaddr_ll`."""
_VNET_HEADER = np.dtype({"names": ["gso_type", "gso_size"], "formats": ["u1", "u2"], "offsets": [1, 4], "itemsize": 10})


class PacketRing:
    """Use: `wait` or poll `fileno()`, `read` a batch, parse it, `release` its blocks; `close` at the end."""

    def __init__(
        self,
        ring_socket: socket.socket,
        ring_bytes: int,
        has_vnet_header: bool,
        notes: tuple[str, ...],
        capture: CaptureFilter | None = None,
    ) -> None:
        self.notes = notes
        """What this ring cannot do here, a sentence each."""
        self._socket = ring_socket
        self._capture = capture
        self._has_vnet_header = has_vnet_header
        self._map = mmap.mmap(ring_socket.fileno(), ring_bytes, mmap.MAP_SHARED)
        self._words_view = memoryview(self._map).cast("I")
        self._bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._words: NDArray[np.uint32] = np.frombuffer(self._map, np.uint32)
        self._block_count = ring_bytes // BLOCK_BYTES
        self._next_block = 0
        self._unreleased: list[int] = []
        self._records: NDArray[np.int64] = np.empty(0, np.int64)
        """Byte offset of each packet's record in the last batch."""
        self.newest_ns = time.monotonic_ns()
        """CLOCK_MONOTONIC time of the newest packet that was read."""

    @classmethod
    def open(cls, ring_bytes: int = RING_BYTES, capture: CaptureFilter | None = None) -> Self:
        """`capture`: only packets that match it come.

        Raises NotPermittedError without CAP_NET_RAW, NotSupportedError where the kernel has no such ring.
        """
        try:
            # Protocol 0: nothing arrives before ring and filter are complete.
            ring_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise NotPermittedError(
                "packet ring: the kernel refuses packet sockets without CAP_NET_RAW; "
                "run as root or with `setpriv --inh-caps=+net_raw --ambient-caps=+net_raw`"
            ) from error
        except OSError as error:
            raise NotSupportedError(f"packet ring: this kernel has no packet sockets ({error.strerror})") from error
        try:
            return cls._set_up(ring_socket, ring_bytes, capture)
        except OSError as error:
            ring_socket.close()
            raise NotSupportedError(
                f"packet ring: {error.strerror}; a TPACKET_V3 ring needs Linux 3.2 and "
                f"{SMALLEST_RING_BYTES >> 20} MiB of kernel memory"
            ) from error

    @classmethod
    def _set_up(cls, ring_socket: socket.socket, ring_bytes: int, capture: CaptureFilter | None) -> Self:
        notes: list[str] = []
        _attach_snap_filter(ring_socket, SNAP_BYTES, capture)
        ring_socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        has_vnet_header = True
        try:
            ring_socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        except OSError as error:
            has_vnet_header = False
            notes.append(f"offloaded super-packets count as one packet each: no PACKET_VNET_HDR ({error.strerror})")
        granted_bytes = _request_ring(ring_socket, ring_bytes)
        if granted_bytes < ring_bytes:
            notes.append(f"ring of {granted_bytes >> 20} instead of {ring_bytes >> 20} MiB: memory is short")
        ring = cls(ring_socket, granted_bytes, has_vnet_header, tuple(notes), capture)
        try:
            bind_to_all_interfaces(ring_socket)
        except OSError:
            ring.close()
            raise
        return ring

    def fileno(self) -> int:
        """Readable when a block is ready."""
        return self._socket.fileno()

    def read(self) -> PacketBatch | None:
        """The packets of the next blocks that are ready, about BATCH_PACKETS of them; None when no block is ready.

        The batch points into the ring: use it before `release`.
        """
        words = self._words_view
        chains: list[NDArray[np.int64]] = []
        packets = 0
        while packets < BATCH_PACKETS and len(self._unreleased) < self._block_count:
            base = self._next_block * (BLOCK_BYTES // 4)
            if not words[base + _BLOCK_STATUS] & TP_STATUS_USER:
                break
            in_block = words[base + _BLOCK_PACKETS]
            chains.append(self._record_offsets(base + words[base + _BLOCK_FIRST] // 4, in_block))
            packets += in_block
            self._unreleased.append(self._next_block)
            self._next_block = (self._next_block + 1) % self._block_count
        return self._describe(np.concatenate(chains)) if chains else None

    def packets_at(self, rows: NDArray[np.intp], most_bytes: int) -> list[WatchedPacket]:
        """Copies of packets of the last batch, by their rows in it; at most `most_bytes` of each."""
        records = self._records[rows]
        header = load_headers(self._bytes, records, np.full(len(records), _PACKET_HEADER.itemsize), _PACKET_HEADER)
        starts = records + header["link_offset"]
        return [
            WatchedPacket(
                time_ns=int(row["seconds"]) * 1_000_000_000 + int(row["nanoseconds"]),
                ifindex=int(row["ifindex"]),
                packet_type=int(row["packet_type"]),
                length=int(row["skb_bytes"]),
                data=self._bytes[start : start + min(int(row["snap_bytes"]), most_bytes)].tobytes(),
                vlan=int(tag),
                link=link_of_device(int(row["hardware_type"])),
            )
            for row, start, tag in zip(header, starts.tolist(), _tags(header), strict=True)
        ]

    def keep_bytes(self, snap_bytes: int) -> None:
        """Of each packet that arrives from now on, but never less than counting needs."""
        _attach_snap_filter(self._socket, max(snap_bytes, SNAP_BYTES), self._capture)

    def release(self) -> None:
        """Hands the blocks of the last `read` back to the kernel."""
        for block in self._unreleased:
            self._words_view[block * (BLOCK_BYTES // 4) + _BLOCK_STATUS] = 0
        self._unreleased.clear()

    def dropped_packets(self) -> int:
        """Packets lost since the last call: the ring was full, or the packet's kind of offload has no virtio header."""
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)
        return int(struct.unpack("III", statistics)[1])

    def close(self) -> None:
        """Frees ring and socket; batches of this ring must be gone."""
        del self._bytes, self._words
        self._words_view.release()
        self._map.close()
        self._socket.close()

    def _record_offsets(self, first_word: int, count: int) -> NDArray[np.int64]:
        """Byte offset of each record of a block; each record only tells how long it is."""
        words = self._words_view
        stride = words[first_word] // 4
        last_word = first_word + stride * (count - 1)
        if stride and last_word < len(words):
            # Packets of one size are the case that matters most at high rates: check the guess in one step.
            guess = np.arange(first_word, last_word + 1, stride)
            if (self._words[guess[:-1]] == stride * 4).all():
                return guess * 4
        chain = array("q")
        position = first_word
        for _ in range(count):
            chain.append(position)
            position += words[position] // 4
        return np.frombuffer(chain, np.int64) * 4

    def _describe(self, records: NDArray[np.int64]) -> PacketBatch:
        room = np.full(len(records), _PACKET_HEADER.itemsize)
        header = load_headers(self._bytes, records, room, _PACKET_HEADER)
        # A record without this bit was given up by the kernel halfway and holds bytes of an earlier lap.
        valid = (header["status"] & TP_STATUS_USER) != 0
        if not valid.all():
            records, header = records[valid], header[valid]
        self._records = records
        ethertype = header["ethertype"].astype(np.uint16)
        link_offset = header["link_offset"].astype(np.int64)
        # For tagged frames sent through packet sockets the kernel's network offset is behind the tags
        # (packet_parse_headers in net/packet/af_packet.c), elsewhere before them; a tag implies an Ethernet header.
        in_band_tag = (ethertype == ETHERTYPE_VLAN) | (ethertype == ETHERTYPE_QINQ)
        link_bytes = np.where(in_band_tag, ETHERNET_HEADER_BYTES, header["network_offset"] - link_offset)
        return PacketBatch(
            buffer=self._bytes,
            network_offset=records + link_offset + link_bytes,
            captured_bytes=header["snap_bytes"] - link_bytes,
            skb_bytes=header["skb_bytes"].astype(np.int64),
            link_header_bytes=link_bytes,
            ethertype=ethertype,
            packet_type=header["packet_type"],
            ifindex=header["ifindex"],
            vlan=_tags(header),
            gso_size=self._gso_size(records + link_offset),
            time_ns=self._monotonic_ns(header),
        )

    def _gso_size(self, link_offsets: NDArray[np.int64]) -> NDArray[np.uint16]:
        if not self._has_vnet_header:
            return np.zeros(len(link_offsets), np.uint16)
        size = _VNET_HEADER.itemsize
        vnet = load_headers(self._bytes, link_offsets - size, np.full(len(link_offsets), size), _VNET_HEADER)
        gso_size: NDArray[np.uint16] = np.where(vnet["gso_type"] != 0, vnet["gso_size"], np.uint16(0))
        return gso_size

    def _monotonic_ns(self, header: NDArray[np.void]) -> NDArray[np.uint64]:
        """The records carry wall-clock time; a step of that clock moves no packet out of the time of its batch."""
        wall_ns = header["seconds"].astype(np.int64) * 1_000_000_000 + header["nanoseconds"]
        times = np.clip(wall_ns - _wall_clock_offset_ns(), self.newest_ns, time.monotonic_ns())
        self.newest_ns = int(times.max(initial=self.newest_ns))
        clipped: NDArray[np.uint64] = times.astype(np.uint64)
        return clipped


def _tags(header: NDArray[np.void]) -> NDArray[np.uint16]:
    tagged = (header["status"] & TP_STATUS_VLAN_VALID) != 0
    tags: NDArray[np.uint16] = np.where(tagged, VLAN_PRESENT | (header["vlan_control"] & 0xFFF), 0).astype(np.uint16)
    return tags


def _wall_clock_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC, from the attempt that was interrupted least."""
    attempts = []
    for _ in range(3):
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        attempts.append((after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2))
    return min(attempts)[1]


def _request_ring(ring_socket: socket.socket, ring_bytes: int) -> int:
    """Asks for a ring and, while memory is short, for half of it; returns the bytes granted."""
    while True:
        request = struct.pack(
            "7I", BLOCK_BYTES, ring_bytes // BLOCK_BYTES, FRAME_BYTES, ring_bytes // FRAME_BYTES, RETIRE_MS, 0, 0
        )
        try:
            ring_socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        except OSError as error:
            if error.errno != errno.ENOMEM or ring_bytes <= SMALLEST_RING_BYTES:
                raise
            ring_bytes = max(ring_bytes // 2 // BLOCK_BYTES * BLOCK_BYTES, SMALLEST_RING_BYTES)
        else:
            return ring_bytes


def _attach_snap_filter(ring_socket: socket.socket, snap_bytes: int, capture: CaptureFilter | None) -> None:
    # `ret #snap_bytes`: every packet, its first bytes (struct sock_filter, struct sock_fprog).
    code = struct.pack("=HBBI", 0x06, 0, 0, snap_bytes) if capture is None else capture.classic(snap_bytes)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    ring_socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
