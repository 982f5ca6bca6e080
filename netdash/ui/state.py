"""What all views of the dashboard share: the snapshot and the histories shown, the user's settings and the scope."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from netdash.model.fault_history import InterfaceFaults
from netdash.options import Options
from netdash.ui.keymap import Keymap
from netdash.ui.keys_first import KeysFirst
from netdash.ui.packet_feed import NO_PACKETS_LIVE, NoFeed, PacketFeed
from netdash.ui.playback import Player
from netdash.ui.scope import Scope

if TYPE_CHECKING:
    from netdash.model.connection_series import ConnectionSeries
    from netdash.model.filter import Filter
    from netdash.model.own_session import OwnSession
    from netdash.model.recording_status import RecordingStatus
    from netdash.model.snapshot import Layer, Snapshot
    from netdash.model.snapshot_store import SnapshotStore
    from netdash.model.units import Units
    from netdash.ui.histories import Histories
    from netdash.ui.past import Errand
    from netdash.ui.timeline import LiveTimeline, Timeline


class Resolver(Protocol):
    """Host names of addresses. Never waits: what is not known yet is looked up in the background."""

    def name(self, address: bytes) -> str | None:
        """The name of an address of 16 bytes; None while it is not known, or when it has none."""


class DashboardState:
    """Owned by the dashboard; views read it. Only `advance`, `show` and the dashboard's actions change it.

    `snapshot` and `histories` are those of the moment that is shown: the newest, or one that the user went back to.
    What comes is counted and kept whatever is shown.
    """

    def __init__(
        self,
        options: Options,
        make_resolver: Callable[[], Resolver] | None = None,
        store: SnapshotStore | None = None,
        packet_feed: PacketFeed | None = None,
    ) -> None:
        """`make_resolver` is called in a thread with the first snapshot: what it imports must not delay the paint.

        `store`: a recording to be played; None: live, and the last minutes are kept in memory. `packet_feed`: where
        single packets come from; None: there are none.
        """
        self.options = options
        self.units: Units = options.units
        self.interval_seconds = options.delay_seconds
        self.keymap = Keymap()
        self.hidden_columns: dict[str, tuple[str, ...]] = dict(options.settings.hidden_columns)
        """Keys of columns that are not shown, by the name of their view."""
        self.names = not options.numeric
        """Host names (where known) instead of addresses."""
        self.services = options.settings.services
        """Service names instead of port numbers."""
        self.scope = Scope()
        self.row_filter: Filter | None = options.row_filter
        """What rows must match to be shown; None = all are."""
        self.filter_scope = Scope()
        """The scope in which the filter was set: Esc goes back to it before it takes the filter away."""
        self.hidden_rows: int | None = None
        """Rows of the visible view that the filter hides; None where it does not apply to them."""
        self.hidden_session: OwnSession | None = None
        """The user's own SSH connection while it is hidden; None = it is shown."""
        self.packet_feed: PacketFeed = packet_feed or NoFeed(NO_PACKETS_LIVE)
        self.resolver: Resolver | None = None
        self.keys_first = KeysFirst()
        self.player = Player(live=store is None)
        """Which moment should be shown."""
        self.snapshot: Snapshot | None = None
        """The one that is shown; None before the first."""
        self.recording: RecordingStatus | None = None
        """How a recording stands; None before the first."""
        self._histories: Histories | None = None
        self._shown = -1
        self._timeline: Timeline | None = None
        self._live: LiveTimeline | None = None
        self._store = store
        self._make_resolver = make_resolver

    def set_filter(self, chosen: Filter | None) -> None:
        """Another filter, or none."""
        self.row_filter, self.filter_scope = chosen, self.scope

    @property
    def layer(self) -> Layer | None:
        """Which bytes flows and processes count; None before the first snapshot."""
        return self.snapshot.mode.layer if self.snapshot else None

    @property
    def histories(self) -> Histories:
        """What was counted up to the moment that is shown. Raises RuntimeError before the first snapshot."""
        if self._histories is None:
            raise RuntimeError("no snapshot has come yet")
        return self._histories

    @property
    def newest(self) -> Snapshot | None:
        """The newest that came, shown or not; None before the first, and always None of a recording."""
        return self._live.newest if self._live else None

    @property
    def paused(self) -> bool:
        """Whether the moment that is shown stays."""
        return not self.player.playing

    @property
    def lost_packets(self) -> int:
        """Packets that the counting missed since the start."""
        return self._histories.faults.lost_packets if self._histories else 0

    @property
    def faults(self) -> Mapping[tuple[int, str], InterfaceFaults]:
        """By index and name: what went wrong on the interfaces of the snapshot."""
        return self._histories.faults.interfaces if self._histories else {}

    @property
    def damage(self) -> str | None:
        """Why a part of what is played cannot be read; None: nothing is known to be missing."""
        return self._timeline.damage if self._timeline is not None else None

    @property
    def read_share(self) -> float:
        """How much of a file that is played was read so far, 0 to 1."""
        return self._timeline.read_share if self._timeline is not None else 1.0

    @property
    def settled(self) -> bool:
        """Whether what is shown is what should be shown."""
        return self._shown == self.player.number

    async def advance(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Takes a new snapshot into the histories, in a thread: with many flows that takes longer than a key may wait.

        The histories swap whole tables, so what a view reads meanwhile is the state before or after. Shows it, unless
        the user is elsewhere. Returns the names of interfaces that are there no more.
        """
        live = await self._open_live()
        before = self.snapshot.interfaces if self.snapshot else ()
        followed = self.player.following
        if not followed and self._histories is live.live:
            stopped = await asyncio.to_thread(live.stop_at, self._shown)
            if self._histories is live.live:
                self._histories = stopped
        await asyncio.to_thread(live.take, snapshot, self.keys_first.steps(self.interval_seconds))
        following = followed or self.player.following
        self.player.grow(live.table)
        if not following:
            return ()
        # Paused meanwhile: the histories that were shown have gone on, so the pause is at this one.
        self.player.number = live.table.last
        self._put(self.player.number, snapshot, live.live)
        return tuple(i.name for i in before if (i.index, i.name) not in self.faults)

    async def follow(self) -> bool:
        """Looks what a recording holds now. Whether there is something to show. Raises NetdashError."""
        timeline = await self._open()
        await asyncio.to_thread(timeline.look)
        self.player.grow(timeline.table, filling=timeline.read_share < 1.0)
        return self.player.ready

    def stay(self) -> None:
        """What is shown is what should be shown."""
        self.player.go_to_number(self._shown)

    def pass_by(self, number: int) -> bool:
        """This snapshot cannot be read: the next one on the way from what is shown should be shown. False where there
        is none: then what is shown stays."""
        if self.player.number != number:
            return True  # another is wanted by now
        if self.player.pass_by(-1 if number < self._shown else 1):
            return True
        self.stay()
        return False

    async def show(self, errand: Errand) -> bool:
        """Shows the errand's snapshot at once; rates of longer windows may be of its interval alone. Always True.
        Raises AbandonedError, NetdashError."""
        timeline = await self._open()
        moment = timeline.now(errand.number)
        if moment is None:
            moment = await asyncio.to_thread(timeline.first_look, errand)
        self._put(errand.number, *moment)
        return True

    async def complete(self, errand: Errand) -> bool:
        """Shows the same snapshot with more of what was before it: all its rates, then, in a pause, its whole graphs
        and totals from long before. False: it was so already. Raises AbandonedError, NetdashError."""
        timeline, number = await self._open(), errand.number
        if timeline.now(number) is not None:
            return False
        if not timeline.has_rates(number):
            moment = await asyncio.to_thread(timeline.moment, errand)
        elif self.paused and not timeline.is_complete(number):
            moment = await asyncio.to_thread(timeline.whole_moment, errand)
        else:
            return False
        self._put(number, *moment)
        return True

    async def prepare(self, errand: Errand) -> bool:
        """Makes a later `show` of the same quick. Always False. Raises AbandonedError, NetdashError."""
        timeline = await self._open()
        if not timeline.is_complete(errand.number):
            await asyncio.to_thread(timeline.whole_moment, errand)
        return False

    @property
    def shown_number(self) -> int:
        """Number of the snapshot that is shown in the store of all; -1 before there is one."""
        return self._shown

    async def read_stored(self, series: ConnectionSeries, numbers: range) -> None:
        """Looks at stored snapshots for a connection's past, in a thread. Raises NetdashError."""
        timeline = await self._open()
        await asyncio.to_thread(series.read, numbers, timeline.read)

    async def _open(self) -> Timeline:
        if self._store is None:
            return await self._open_live()
        if self._timeline is None:
            self._timeline = await asyncio.to_thread(_stored_timeline, self._store, self.options)
            await self._open_resolver()
        return self._timeline

    async def _open_live(self) -> LiveTimeline:
        if self._live is None:
            self._live = await asyncio.to_thread(_live_timeline, self.options)
            await self._open_resolver()
        return self._live

    async def _open_resolver(self) -> None:
        if self._make_resolver is not None:
            self.resolver = await asyncio.to_thread(self._make_resolver)

    def _put(self, number: int, snapshot: Snapshot, histories: Histories) -> None:
        self._shown, self.snapshot, self._histories = number, snapshot, histories


# NumPy comes with these, whose import takes longer than the first paint may wait: they are called in threads.


def _live_timeline(options: Options) -> LiveTimeline:
    from netdash.ui.timeline import LiveTimeline

    return LiveTimeline(options.max_flows)


def _stored_timeline(store: SnapshotStore, options: Options) -> Timeline:
    from netdash.ui.timeline import Timeline

    return Timeline(store, options.max_flows)
