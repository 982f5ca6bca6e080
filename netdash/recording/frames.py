"""Snapshots as frames: whole ones and, after each, up to 59 that hold what changed.

A frame is a MessagePack array (`Frame`), compressed with zlib. The long tables go by columns (table_change.py), the
processes as facts that are told once and figures that are told each time, all the rest as an outline that is told when
it changes and numbers (numbers_apart.py). The sockets are a part of their own, which a frame may lack: where there are
many they would take more room than all else, and are then kept every few intervals only.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, fields, replace
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Process, Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, STATION_ROW
from netdash.recording.defaults import to_model
from netdash.recording.layout import Columns, columns_of, convert, dtype_of
from netdash.recording.numbers_apart import Number, Outline, put_together, take_apart
from netdash.recording.planes import DamagedError, Numbers, pack, unpack
from netdash.recording.table_change import TableChange, TableReader
from netdash.recording.table_writer import Guess, RowKey, TableWriter

KEY_FRAMES: Final = 60
"""Every so many frames, one is whole."""

SOCKET_FRAMES: Final = 30
"""Sockets are in every frame that many at least."""

SOCKET_BYTES: Final = 1000
"""Room that sockets may take in a frame, on average."""

MAX_FRAME_BYTES: Final = 1 << 29
_MAX_KNOWN_ROWS: Final = 1 << 18
_ZLIB_LEVEL: Final = 4
"""Level 1 takes as long for frames and gives 2 % more; 9 takes half as long again for 1 % less."""

SOCKETS_ARE_OLDER: Final = "many sockets: this recording keeps them every few intervals only, these are a little older"

_NOW: Final = {name: Guess(last=True) for name in ("rtt_us", "retransmits")}
_ETHERNET_IP_TCP: Final = 66
"""Bytes of headers of an ordinary packet: Ethernet, IPv4, TCP with time stamps."""

_GUESSES: Final[dict[str, dict[str, Guess]]] = {
    "flows": {
        f"{way}_bytes": Guess(others={f"{way}_payload": 1, f"{way}_packets": _ETHERNET_IP_TCP}) for way in ("rx", "tx")
    }
    | _NOW,
    "sockets": {f"{way}_payload_total": Guess(last=True, others={f"{way}_payload": 1}) for way in ("rx", "tx")}
    | {
        name: Guess(last=True)
        for name in (
            *("rqueue", "wqueue", "rttvar_us", "min_rtt_us", "cwnd", "mss", "unacked", "lost", "drops"),
            *("timer_ms", "rto_us", "ssthresh", "pmtu", "not_sent_bytes", "segments_in", "segments_out"),
            *("pacing_rate_bytes", "resent_bytes", "busy_us", "rwnd_limited_us", "sndbuf_limited_us"),
        )
    }
    | {"delivery_rate_bytes": Guess(last=True)}
    | _NOW,
    "stations": {f"{way}_ip_packets": Guess(others={f"{way}_packets": 1}) for way in ("rx", "tx")},
}


def _station_keys(rows: NDArray[np.void]) -> NDArray[np.uint64]:
    """The MAC address in the lower 48 bits, the interface above."""
    mac = np.zeros((len(rows), 8), np.uint8)
    mac[:, :6] = rows["mac"]
    keys: NDArray[np.uint64] = mac.view("<u8").reshape(-1) | rows["ifindex"].astype(np.uint64) << np.uint64(48)
    return keys


_TABLES: Final[dict[str, tuple[np.dtype[np.void], RowKey]]] = {
    "flows": (FLOW_ROW, lambda rows: rows["id"]),
    "sockets": (SOCKET_ROW, lambda rows: rows["cookie"]),
    "stations": (STATION_ROW, _station_keys),
}
"""The long tables of a snapshot and what names a row in each."""

_MAIN_TABLES: Final = tuple(name for name in _TABLES if name != "sockets")
_FIGURES: Final = tuple(
    f.name for f in fields(Process) if f.name.startswith(("rx_", "tx_")) or f.name in ("connections", "exited")
)
_FACTS: Final = tuple(f.name for f in fields(Process) if f.name not in _FIGURES)
"""What of a process seldom changes."""
_OWN_WAY: Final = {"time", "monotonic_ns", "interval", "processes", *_TABLES}
_REST: Final = tuple(f.name for f in fields(Snapshot) if f.name not in _OWN_WAY)

Layout = dict[str, Columns]
"""Columns of each long table."""

T = TypeVar("T")


class ProcessesChange(msgspec.Struct, frozen=True, array_like=True):
    """The processes of a frame."""

    new: list[dict[str, object]]
    """Facts of processes not known since the key frame."""
    order: list[int] | None
    """Which of the known ones, by order of appearance; None: the same as in the frame before."""
    figures: dict[str, list[Number]]
    """By field, one for each process."""
    packed: dict[str, Numbers]
    """The same, of fields whose figures are all known counts."""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """All of a snapshot but its sockets."""

    is_key: bool
    """Whole: nothing of the frames before is needed."""
    time: float
    monotonic_ns: int
    interval: float
    outline: Outline
    """Of the fields that have no way of their own; None: the same as in the frame before."""
    numbers: list[Number] | None
    """None: those of the frame before, but for `changed`."""
    changed: list[int]
    values: list[Number]
    processes: ProcessesChange
    tables: dict[str, TableChange]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """What goes into the file."""

    is_key: bool
    data: bytes
    sockets: bytes | None


def current_layout() -> Layout:
    """Of what this version writes."""
    return {name: columns_of(dtype) for name, (dtype, _) in _TABLES.items()}


class FrameWriter:
    """Encodes snapshots in their order."""

    def __init__(self) -> None:
        self._tables = {name: TableWriter(dtype, key, _GUESSES[name]) for name, (dtype, key) in _TABLES.items()}
        self._count = 0
        self._outline: Outline = None
        self._numbers: list[Number] = []
        self._processes: dict[tuple[object, ...], int] = {}
        self._process_order: list[int] = []
        self._socket_room = 0
        self._without_sockets = 0

    def encode(self, snapshot: Snapshot) -> EncodedFrame:
        """The next frame."""
        full = any(table.known_rows > _MAX_KNOWN_ROWS for table in self._tables.values())
        is_key = self._count % KEY_FRAMES == 0 or full or len(self._processes) > _MAX_KNOWN_ROWS
        if is_key:
            self._forget()
        self._count += 1
        rest = {name: msgspec.to_builtins(getattr(snapshot, name)) for name in _REST}
        numbers: list[Number] = []
        outline = take_apart(rest, numbers)
        same = outline == self._outline and len(numbers) == len(self._numbers)
        changed = [i for i, (a, b) in enumerate(zip(self._numbers, numbers, strict=False)) if a != b] if same else []
        whole = not same or 2 * len(changed) > len(numbers)
        self._outline, self._numbers = outline, numbers
        frame = Frame(
            is_key,
            snapshot.time,
            snapshot.monotonic_ns,
            snapshot.interval,
            None if same else outline,
            numbers if whole else None,
            [] if whole else changed,
            [] if whole else [numbers[i] for i in changed],
            self._encode_processes(snapshot.processes),
            {name: self._tables[name].encode(getattr(snapshot, name)) for name in _MAIN_TABLES},
        )
        return EncodedFrame(is_key, _compress(frame), self._encode_sockets(snapshot.sockets, is_key))

    def _forget(self) -> None:
        for table in self._tables.values():
            table.forget()
        self._count = 0
        self._outline, self._numbers = None, []
        self._processes, self._process_order = {}, []

    def _encode_processes(self, processes: tuple[Process, ...]) -> ProcessesChange:
        new: list[dict[str, object]] = []
        order = []
        for process in processes:
            facts = tuple(getattr(process, name) for name in _FACTS)
            place = self._processes.get(facts)
            if place is None:
                place = self._processes[facts] = len(self._processes)
                new.append(dict(zip(_FACTS, facts, strict=True)))
            order.append(place)
        figures: dict[str, list[Number]] = {}
        packed: dict[str, Numbers] = {}
        for name in _FIGURES:
            column = [getattr(process, name) for process in processes]
            if all(type(value) is int and value >= 0 for value in column):
                packed[name] = pack(np.array(column, np.uint64))
            else:
                figures[name] = column
        same = order == self._process_order
        self._process_order = order
        return ProcessesChange(new, None if same else order, figures, packed)

    def _encode_sockets(self, sockets: NDArray[np.void], is_key: bool) -> bytes | None:
        """None as long as the sockets have used up their room."""
        self._socket_room = min(self._socket_room + SOCKET_BYTES, SOCKET_FRAMES * SOCKET_BYTES)
        self._without_sockets += 1
        if not is_key and self._socket_room <= 0 and self._without_sockets < SOCKET_FRAMES:
            return None
        data = _compress(self._tables["sockets"].encode(sockets))
        self._without_sockets = 0
        self._socket_room -= len(data)
        return data


class FrameReader:
    """Follows frames from a key frame on; `snapshot` is what the last one makes."""

    def __init__(self, layout: Layout) -> None:
        """`layout`: of the run that is read. Raises DamagedError."""
        known = {name: columns for name, columns in layout.items() if name in _TABLES}
        self._tables = {name: TableReader(dtype_of(columns)) for name, columns in known.items()}
        self._frame: Frame | None = None
        self._outline: Outline = None
        self._numbers: list[Number] = []
        self._processes: list[dict[str, object]] = []
        self._process_order: list[int] = []
        self._sockets_are_older = False

    def apply(self, data: bytes, sockets: bytes | None) -> None:
        """Takes the next frame in. Raises DamagedError."""
        frame = _decompress(data, Frame)
        if frame.is_key:
            self._outline, self._numbers, self._processes, self._process_order = None, [], [], []
        if frame.outline is not None:
            self._outline = frame.outline
        if frame.numbers is not None:
            self._numbers = frame.numbers
        if len(frame.changed) != len(frame.values):
            raise DamagedError("numbers without places")
        for place, value in zip(frame.changed, frame.values, strict=True):
            if not 0 <= place < len(self._numbers):
                raise DamagedError("a number without a place")
            self._numbers[place] = value
        self._processes += frame.processes.new
        if frame.processes.order is not None:
            self._process_order = frame.processes.order
        for name, change in frame.tables.items():
            if name in self._tables:
                self._tables[name].apply(change)
        if sockets is not None and "sockets" in self._tables:
            self._tables["sockets"].apply(_decompress(sockets, TableChange))
        self._sockets_are_older = sockets is None
        self._frame = frame

    def snapshot(self) -> Snapshot:
        """As it was written, but for sockets that are older, which a note says. Raises DamagedError."""
        frame = self._frame
        if frame is None:
            raise DamagedError("no frame was read")
        rest = put_together(self._outline, iter(self._numbers))
        if not isinstance(rest, dict):
            raise DamagedError("an outline of nothing")
        tables = {name: convert(table.table(), _TABLES[name][0]) for name, table in self._tables.items()}
        snapshot = to_model(
            {name: value for name, value in rest.items() if name in _REST}
            | {"time": frame.time, "monotonic_ns": frame.monotonic_ns, "interval": frame.interval}
            | {"processes": self._process_rows(frame.processes), **tables},
            Snapshot,
        )
        if self._sockets_are_older:
            notes = (*snapshot.health.notes, SOCKETS_ARE_OLDER)
            snapshot = replace(snapshot, health=replace(snapshot.health, notes=notes))
        return snapshot

    def _process_rows(self, change: ProcessesChange) -> list[dict[str, object]]:
        count = len(self._process_order)
        figures = change.figures | {name: unpack(column, count).tolist() for name, column in change.packed.items()}
        if any(not 0 <= place < len(self._processes) for place in self._process_order):
            raise DamagedError("a process that is not known")
        if any(len(column) != count for column in figures.values()):
            raise DamagedError("figures of processes that are not there")
        columns = figures.items()
        return [
            {**self._processes[place], **{name: column[row] for name, column in columns}}
            for row, place in enumerate(self._process_order)
        ]


def _compress(value: Frame | TableChange) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value), _ZLIB_LEVEL)


def _decompress(data: bytes, kind: type[T]) -> T:
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(data, MAX_FRAME_BYTES)
        if not unpacker.eof:
            raise DamagedError("a frame that is cut or too large")
        return msgspec.msgpack.decode(plain, type=kind)
    except (zlib.error, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DamagedError(f"not a frame: {error}") from error
