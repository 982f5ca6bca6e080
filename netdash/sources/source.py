"""What every source of snapshots can do: the live system, a capture file, a recording."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from netdash.errors import NetdashError

if TYPE_CHECKING:
    from netdash.model.packets import PacketDelivery, PacketWatch, StoredPackets

    # The first paint does not wait for NumPy, which the tables are made of.
    from netdash.model.recording_status import RecordingStatus
    from netdash.model.snapshot import Snapshot


def never() -> bool:
    """It is not over."""
    return False


class SourceEndedError(NetdashError):
    """The source cannot deliver any more; the message says why."""


@runtime_checkable
class RecordingSnapshots(Protocol):
    """A source that can record what it delivers."""

    @property
    def recording(self) -> RecordingStatus | None:
        """How a recording stands; None before the first."""

    async def set_recording(self, on: bool) -> None:
        """Begins or ends a recording; `recording` tells how that went."""


class SnapshotSource(Protocol):
    """Yields snapshots, the baseline first. A slow reader gets fewer snapshots of longer intervals, never old ones."""

    def snapshots(self) -> AsyncIterator[Snapshot]:
        """Ends when the source was stopped. Raises SourceEndedError when it ends by itself."""

    async def set_interval(self, seconds: float) -> None:
        """Asks for another interval, from the next snapshot on."""

    async def stop(self) -> None:
        """Asks for the end: what was counted since the last snapshot comes as one more, then the iterator ends."""

    async def close(self) -> None:
        """Frees everything; the collector process is gone afterwards."""


@runtime_checkable
class PacketStore(Protocol):
    """A file that holds the packets themselves that it was counted from."""

    def packets_of(
        self, watch: PacketWatch, *, from_ns: int | None = None, is_over: Callable[[], bool] = never
    ) -> StoredPackets:
        """The first packets of a watch, from a time on (nanoseconds since the epoch); reads the file up to them, so
        call it in a thread. `is_over`: asked again and again; when it says True, what was found by then is returned.
        A `pid` in the watch is not looked at: a file knows addresses only."""


@runtime_checkable
class PacketSource(Protocol):
    """A source that can show single packets too."""

    def packets(self) -> AsyncIterator[PacketDelivery]:
        """Deliveries of the watch that was asked for last, some five a second while there are packets; the first of
        each watch comes at once and is empty, or says why there will be none. Packets that nobody takes for a second
        count as skipped. Ends with `snapshots`, which has to be read meanwhile. For one reader."""

    async def watch_packets(self, watch: PacketWatch | None) -> None:
        """Asks for the packets of this watch instead of another; None for none. Deliveries of the watch before do not
        come any more after this call."""

    async def change_watch(self, watch: PacketWatch) -> None:
        """The present watch is of other packets from now on: no delivery and no packet of both is lost by that. What
        is delivered then may be refused, and is not again after the next change."""
