"""Playing what is damaged, or still being read: what can be shown is, and what is missing is told."""

from __future__ import annotations

from collections.abc import Iterable

from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_memory import SnapshotMemory
from netdash.model.snapshot_store import SnapshotGoneError
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.widgets.banner import Banner
from netdash.ui.widgets.key_line import KeyLine
from tests.ui.apps import settle
from tests.ui.test_time_travel import arrived, header, second


class Damaged(SnapshotMemory):
    """A store of some seconds, of which some cannot be read."""

    def __init__(self, seconds: Iterable[int], unreadable: Iterable[int] = (), share: float = 1.0) -> None:
        super().__init__()
        self.unreadable = set(unreadable)
        self.share = share
        for each in seconds:
            self.append(second(each))

    def read(self, number: int) -> Snapshot:
        if number in self.unreadable:
            raise SnapshotGoneError(f"moment {number} cannot be read")
        return super().read(number)

    def progress(self) -> float:
        return self.share


async def test_steps_pass_by_what_cannot_be_read() -> None:
    """In the direction in which one goes; at the end one stays."""
    app = Dashboard(None, Options(), store=Damaged(range(20), {0, 5, 6, 7, 18, 19}))
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)

        async def after(*keys: str) -> str:
            await pilot.press(*keys)
            await arrived(app, pilot)
            return header(app).partition("PAUSED 2026-11-22 ")[2][:8]

        assert await after("space", "home") == "14:00:01"
        assert await after("right", "right", "right") == "14:00:04"
        assert await after("right") == "14:00:08"
        assert "moment 7 cannot be read" in app.main_screen.query_one(KeyLine).notice
        assert await after("left") == "14:00:04"
        assert await after("end") == "14:00:04"
        assert await after("g", *"14:00:17", "enter") == "14:00:17"
        # The histories lack the damaged ones, and nothing else.
        total = app.state.histories.flows.totals()[0].total_bytes
        assert total == sum(100_000 + tick * 1000 for tick in range(1, 18) if tick not in (5, 6, 7))


async def test_playing_passes_by_what_cannot_be_read() -> None:
    store = Damaged(range(40), range(2, 30))
    app = Dashboard(None, Options(), store=store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)
        await pilot.press(*(["greater_than_sign"] * 4))
        await settle(pilot, lambda: "14:00:39" in header(app))
        assert app.state.player.playing


async def test_nothing_that_can_be_read_ends_it() -> None:
    app = Dashboard(None, Options(), store=Damaged(range(9), range(9)))
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.failure is not None)
    assert app.failure == "none of the intervals can be read: moment 8 cannot be read"
    assert app.return_value == 1


async def test_damage_of_the_file_stays_told() -> None:
    store = Damaged(range(9))
    store.damage = "the file is damaged (it is cut)"
    app = Dashboard(None, Options(), store=store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)
        await pilot.pause()
        assert "the file is damaged (it is cut); what is left of it is shown" in app.main_screen.query_one(Banner).text


async def test_how_far_a_file_is_read() -> None:
    store = Damaged(range(9), share=0.426)
    app = Dashboard(None, Options(), store=store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: "reading, 43 %" in header(app) or "reading, 43%" in header(app))
        store.share = 1.0
        await settle(pilot, lambda: "reading" not in header(app))
