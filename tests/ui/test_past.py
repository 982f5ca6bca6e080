"""Histories as they were: equal in every figure to those of a run that ended there."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.model.snapshot import InterfaceProtocols, Snapshot, Traffic
from netdash.model.tables import Attribution
from netdash.ui.histories import Histories
from netdash.ui.past import GRAPHS_SECONDS, AbandonedError, Errand
from netdash.ui.timeline import LiveTimeline, Timeline
from tests.ui.fixtures import flow, interface, process, snapshot

_COUNT = 160


def second(tick: int) -> Snapshot:
    """Flows, processes and interfaces that come and go; every seventh second twice as long as said."""
    chance = random.Random(tick)
    here = [number for number in range(12) if chance.random() < 0.6]
    flows = [
        flow(local_port=1000 + n, pid=n, attribution=Attribution.SOCKET, rx_bytes=chance.randrange(10**6), tx_bytes=n)
        for n in here
    ]
    return snapshot(
        tick,
        interval=2.0 if tick % 7 == 0 else 1.0,
        lost_packets=int(tick % 5 == 0),
        interfaces=[interface(rx_bytes=chance.randrange(10**7), rx_errors=tick % 3)]
        + [interface("veth0", 3, kind="veth", rx_bytes=None)] * (tick % 2),
        processes=[process(n, rx_bytes=chance.randrange(10**6), exited=chance.random() < 0.05) for n in here[:8]],
        flows=flows if tick else [],
        protocols={"eth0": InterfaceProtocols(tcp=Traffic(tick, 2 * tick, 3, 4))},
        counters={"Tcp.RetransSegs": tick % 4},
    )


SNAPSHOTS = [second(tick) for tick in range(_COUNT)]


class ListStore:
    """A recording in a list."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self._memory = LiveTimeline(1024)
        self.reads = 0
        for each in snapshots:
            self._memory.take(each)
        self.snapshots = snapshots

    damage = None

    def progress(self) -> float:
        return 1.0

    def timetable(self) -> object:
        return self._memory.table

    def read(self, number: int) -> Snapshot:
        self.reads += 1
        return self.snapshots[number]


def figures(histories: Histories) -> list[object]:
    """All that a view can read of them, ready to be compared."""
    table, interfaces = histories.flows.table, histories.interfaces
    order = np.argsort(table.flows["id"])
    series = [interfaces.series(2, "eth0"), interfaces.series(3, "veth0")]
    return [
        table.flows[order].tobytes(),
        table.known[order].tolist(),
        table.last_seen_ns[order].tolist(),
        table.totals[:, order].tolist(),
        table.rates[:, :, order].tolist(),
        [histories.flows.totals(), histories.flows.totals(2), histories.flows.now_ns, histories.flows.evicted],
        histories.flows.covered_seconds,
        sorted(histories.processes.rows, key=lambda row: row.key),
        histories.processes.others,
        histories.processes.known,
        [(s.samples.tobytes(), s.rx, s.tx) if s else None for s in series],
        histories.protocols.figures,
        [getattr(histories.sockets.figures, n).tolist() for n in ("sockets", "trouble", "new_drops")],
        [histories.faults.interfaces, histories.faults.lost_packets],
        histories.since,
    ]


def fed(count: int, first: int = 0, max_flows: int = 1024) -> Histories:
    """Histories of a run of so many snapshots."""
    histories = Histories(max_flows)
    for each in SNAPSHOTS[first:count]:
        histories.update(each)
    return histories


@pytest.fixture(scope="module")
def expected() -> list[list[object]]:
    """The figures after each snapshot."""
    histories, result = Histories(1024), []
    for each in SNAPSHOTS:
        histories.update(each)
        result.append(figures(histories))
    return result


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, _COUNT - 1), min_size=1, max_size=8))
def test_every_moment_is_as_it_was(expected: list[list[object]], wanted: list[int]) -> None:
    """Wherever one goes from, in any order, while more comes."""
    live = LiveTimeline(1024)
    for each in SNAPSHOTS[: _COUNT // 2]:
        live.take(each)
    for number in wanted:
        number = min(number, live.table.last)
        moment = live.moment(Errand(number))
        assert figures(moment.histories) == expected[number]
        assert moment.snapshot.flows.tobytes() == SNAPSHOTS[number].flows.tobytes()
        assert moment.snapshot.interfaces == SNAPSHOTS[number].interfaces
        for each in SNAPSHOTS[live.table.last + 1 : live.table.last + 9]:
            live.take(each)
    assert figures(live.live) == expected[live.table.last]


def test_copy_and_original_go_their_own_ways(expected: list[list[object]]) -> None:
    """What is fed to one does not show in the other."""
    histories = fed(100)
    twin = histories.copy()
    for each in SNAPSHOTS[100:150]:
        twin.update(each)
    assert figures(histories) == expected[99]
    for each in SNAPSHOTS[100:150]:
        histories.update(each)
    assert figures(twin) == figures(histories) == expected[149]
    assert vars(twin).keys() == vars(histories).keys()
    assert all(vars(twin)[name] is not each for name, each in vars(histories).items() if hasattr(each, "update"))


def test_totals_count_from_before_what_the_memory_still_has(expected: list[list[object]]) -> None:
    """The oldest segment is dropped, what it moved is not."""
    live = LiveTimeline(1024)
    live._memory.kept_seconds = 60.0
    for each in SNAPSHOTS:
        live.take(each)
    first = live.table.first
    assert first == 64
    for number in (first, first + 1, _COUNT - 2):
        assert figures(live.moment(Errand(number)).histories) == expected[number]


def test_recording_entered_in_the_middle() -> None:
    """Rates first, from a minute before; then the whole, from a quarter of an hour before or from the start."""
    store = ListStore(SNAPSHOTS)
    recording = Timeline(store, 1024)  # type: ignore[arg-type]
    recording.look()
    moment = recording.moment(Errand(150))
    assert store.reads == 61
    assert figures(moment.histories) == figures(fed(151, first=90))
    assert not recording.is_complete(150)
    whole = recording.whole_moment(Errand(150))
    assert figures(whole.histories) == figures(fed(151))
    assert recording.is_complete(150)
    store.reads = 0
    recording.moment(Errand(149))
    assert store.reads == 1, "the step back was made ready"


def test_a_far_moment_is_shown_at_once_and_completed_from_near(expected: list[list[object]]) -> None:
    """Not by way of all that lies between it and where one was before."""
    store = ListStore(SNAPSHOTS)
    recording = Timeline(store, 1024)  # type: ignore[arg-type]
    recording.look()
    recording.moment(Errand(10))
    before = store.reads
    moment = recording.first_look(Errand(159))
    assert (store.reads - before, recording.has_rates(159)) == (1, False)
    assert moment.histories.flows.totals()[0].total_bytes == int(moment.snapshot.flows["rx_bytes"].sum())
    recording.moment(Errand(159))
    assert recording.has_rates(159)
    assert store.reads - before <= 1 + 62
    # The next step goes on from there, and is complete at once.
    before = store.reads
    recording.first_look(Errand(158))
    assert (store.reads - before <= 2, recording.has_rates(158)) == (True, True)


def test_abandoned_on_the_way() -> None:
    """Another moment is wanted by now; what was done so far is kept."""
    store = ListStore(SNAPSHOTS)
    recording = Timeline(store, 1024)  # type: ignore[arg-type]
    recording.look()
    errand = Errand(150, abandoned=True)
    with pytest.raises(AbandonedError):
        recording.whole_moment(errand)
    assert (errand.done, errand.total) == (0, 151)
    errand = Errand(150)
    recording.whole_moment(errand)
    assert errand.share == 1.0


def test_kept_copies_are_bounded() -> None:
    """However far one goes."""
    store = ListStore(SNAPSHOTS)
    recording = Timeline(store, 1024)  # type: ignore[arg-type]
    recording.look()
    for number in range(0, _COUNT, 3):
        recording.whole_moment(Errand(number))
    assert len(recording._past._kept) <= 64
    assert recording._past.knows(159, recording.table, GRAPHS_SECONDS)
