"""The live system: snapshots and packets of a collector process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from netdash.collector.messages import (
    Command,
    FrameError,
    Kind,
    SetInterval,
    SetRecording,
    Stop,
    WatchPackets,
    decode_delivery,
    decode_status,
    encode_command,
)
from netdash.collector.process import CollectorProcess
from netdash.model.packets import PacketDelivery, PacketWatch, join_deliveries
from netdash.model.recording_status import RecordingStatus
from netdash.model.sanitize import sanitize
from netdash.sources.source import SourceEndedError

if TYPE_CHECKING:
    from netdash.model.snapshot import Snapshot
    from netdash.sources.frame_reader import FrameReader

_DECODED_AT_ONCE_BYTES = 1 << 20
"""A longer frame takes milliseconds to check: keys must not wait for it."""


class LiveSource:
    """Reads what the collector sends; `close` ends the collector."""

    def __init__(self, collector: CollectorProcess, observe: Callable[[Snapshot], None] | None = None) -> None:
        """`observe` is called with every snapshot before it is handed out."""
        self._collector = collector
        self._observe = observe
        self._frames: FrameReader | None = None
        self._reaped: int | None = None
        self.recording: RecordingStatus | None = None
        """How a recording stands; None before the first."""
        self._unsent: list[Command] = []
        """Commands from before the connection was opened."""
        self._watch_number = 0
        self._delivery: PacketDelivery | None = None
        """What `packets` has not handed out yet."""
        self._delivered = asyncio.Event()
        self._ended = False

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """The baseline, then one an interval; ends after `stop`. Raises SourceEndedError with what the collector
        said."""
        try:
            async for snapshot in self._read():
                if self._observe is not None:
                    self._observe(snapshot)
                yield snapshot
        finally:
            self._ended = True
            self._delivered.set()

    async def packets(self) -> AsyncIterator[PacketDelivery]:
        """As PacketSource."""
        while True:
            await self._delivered.wait()
            self._delivered.clear()
            delivery, self._delivery = self._delivery, None
            if delivery is not None:
                yield delivery
            if self._ended:
                return

    async def watch_packets(self, watch: PacketWatch | None) -> None:
        """As PacketSource."""
        self._watch_number += 1
        self._delivery = None
        await self._send(WatchPackets(self._watch_number, watch))

    async def change_watch(self, watch: PacketWatch) -> None:
        """As PacketSource."""
        await self._send(WatchPackets(self._watch_number, watch))

    async def _read(self) -> AsyncIterator[Snapshot]:
        # Here, not above: NumPy loads while the dashboard paints its first screen.
        from netdash.model.codec import DecodeError, decode_snapshot
        from netdash.sources.frame_reader import FrameReader

        connection = self._collector.connection
        _, frames = await asyncio.get_running_loop().create_connection(FrameReader, sock=connection)
        self._frames = frames
        for command in self._unsent:
            await self._send(command)
        while True:
            try:
                kind, body = await frames.next()
                if kind is Kind.END:
                    return
                if kind is Kind.RECORDING:
                    self.recording = decode_status(body)
                    continue
                if kind is Kind.FAILURE:
                    raise SourceEndedError(sanitize(bytes(body).decode(errors="replace")))
                if kind is Kind.PACKETS:
                    self._keep(decode_delivery(body))
                    continue
                if len(body) > _DECODED_AT_ONCE_BYTES:
                    yield await asyncio.to_thread(decode_snapshot, body)
                else:
                    yield decode_snapshot(body)
            except ConnectionError as error:
                raise SourceEndedError(f"the collector ended: {self._reason()}; start netdash again") from error
            except (FrameError, DecodeError) as error:
                raise SourceEndedError(
                    f"the collector sent what is not a snapshot ({error}); start netdash again"
                ) from error

    async def set_interval(self, seconds: float) -> None:
        """Another interval, from the next snapshot on."""
        await self._send(SetInterval(seconds))

    async def set_recording(self, on: bool) -> None:
        """Starts or ends a recording; `recording` tells how that went."""
        await self._send(SetRecording(on))

    async def stop(self) -> None:
        """The last interval comes as one more snapshot, then `snapshots` ends."""
        await self._send(Stop())

    async def close(self) -> None:
        """Closes the connection, at which the collector ends, and waits for it."""
        if self._frames is not None:
            self._frames.close()
        else:
            self._collector.connection.close()
        await asyncio.to_thread(self._reap)

    def _keep(self, delivery: PacketDelivery) -> None:
        if delivery.number == self._watch_number:
            self._delivery = delivery if self._delivery is None else join_deliveries(self._delivery, delivery)
            self._delivered.set()

    async def _send(self, command: Command) -> None:
        if self._frames is None:
            self._unsent.append(command)
        else:
            self._frames.write(encode_command(command))

    def _reap(self) -> int | None:
        """Waits for the collector; its status as of waitpid(2)."""
        if self._reaped is None:
            try:
                self._reaped = os.waitpid(self._collector.pid, 0)[1]
            except ChildProcessError:
                return None
        return self._reaped

    def _reason(self) -> str:
        status = self._reap()
        if status is None:
            return "nothing is known of it"
        if os.WIFSIGNALED(status):
            return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"exit status {os.WEXITSTATUS(status)}"
