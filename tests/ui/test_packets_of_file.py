"""The page of packets out of a capture file: of the connection, around the moment that is shown; not of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textual.pilot import Pilot

from netdash.model.held_packets import MAX_HELD_PACKETS
from netdash.model.packets import WatchedPacket
from netdash.model.snapshot_memory import SnapshotMemory
from netdash.options import Options
from netdash.sources.capture.counting import CaptureOptions, CapturePass
from netdash.sources.capture.file import CaptureFile
from netdash.sources.capture.store import CaptureStore
from netdash.sources.open_file import open_file
from netdash.ui.app import Dashboard
from netdash.ui.packet_feed import NO_PACKETS_IN_RECORDING
from netdash.ui.views.packets import PacketsView
from tests.ui.apps import settle
from tests.ui.golden import screen_text
from tests.ui.packets import packet_line, packet_list, packets_snapshot
from tests.unit.sources.capture_files import START_SECONDS, frame, pcap

CLIENT, SERVER, OTHER = ("192.0.2.1", 40_000), ("198.51.100.7", 443), ("192.0.2.1", 40_001)


@contextmanager
def playing(path: Path, packets: list[tuple[float, bytes]]) -> Iterator[Dashboard]:
    """A dashboard that plays a capture file with these packets."""
    path.write_bytes(pcap(packets))
    file = CaptureFile(open_file(str(path)))
    store = CaptureStore(CapturePass(file, CaptureOptions(max_flows=1024)), file)
    try:
        store.start()
        yield Dashboard(None, Options(numeric=True), store=store)
    finally:
        store.close()


async def _at_end(app: Dashboard, pilot: Pilot[int]) -> None:
    """Paused at the last moment."""
    await settle(pilot, lambda: app.state.snapshot is not None)
    await pilot.press("2", "space", "end")
    player = app.state.player
    await settle(pilot, lambda: player.at_last and app.state.settled and bool(len(app.state.histories.flows.table)))


async def _on_page(app: Dashboard, pilot: Pilot[int]) -> None:
    await settle(pilot, lambda: isinstance(app.main_screen.view, PacketsView))


def _at_cursor(app: Dashboard) -> WatchedPacket:
    span = packet_list(app).span
    key = packet_list(app).cursor_key
    assert isinstance(key, int)
    return span.packet(key)


def _conversation(seconds: int) -> list[tuple[float, bytes]]:
    """A packet there and one back in each second, and one of another connection."""
    packets = []
    for second in range(seconds):
        packets += [
            (second, frame(*CLIENT, *SERVER, size=100)),
            (second + 0.25, frame(*OTHER, *SERVER, size=70)),
            (second + 0.5, frame(*SERVER, *CLIENT, size=1000)),
        ]
    return packets


async def test_the_packets_of_a_connection_with_the_cursor_at_the_moment(tmp_path: Path) -> None:
    with playing(tmp_path / "trace.pcap", _conversation(10)) as app:
        async with app.run_test(size=(120, 24)) as pilot:
            await _at_end(app, pilot)
            await pilot.press("enter", "enter")
            await _on_page(app, pilot)
            await settle(pilot, lambda: "20 shown" in packet_line(app, "counts") and "seq=" in screen_text(app))
            await settle(pilot, lambda: _at_cursor(app).time_ns == (START_SECONDS + 9) * 10**9)
            assert "192.0.2.1:40000 ↔ 198.51.100.7:443" in packet_line(app, "choice")
            await pilot.press("left", "left")
            await settle(pilot, lambda: _at_cursor(app).time_ns == (START_SECONDS + 7) * 10**9)
            await pilot.press("up", "left")
            await settle(pilot, lambda: app.state.settled)
            assert _at_cursor(app).time_ns == (START_SECONDS + 6.5) * 10**9, "who reads is not moved"
            await pilot.press("escape")
            await settle(pilot, lambda: app.main_screen.view is not None)
            assert not isinstance(app.main_screen.view, PacketsView)


async def test_all_packets_and_those_of_a_filter(tmp_path: Path) -> None:
    with playing(tmp_path / "trace.pcap", _conversation(3)) as app:
        async with app.run_test(size=(120, 24)) as pilot:
            await _at_end(app, pilot)
            await pilot.press("v")
            await settle(pilot, lambda: "9 shown" in screen_text(app))
            await pilot.press("escape", "slash", *"port:40001", "enter", "v")
            await settle(pilot, lambda: " 3 shown" in screen_text(app))
            assert "of flows that match port:40001" in packet_line(app, "choice")


async def test_of_too_many_those_of_the_moment(tmp_path: Path) -> None:
    """The first that fit, or those from the moment on; and others where the moment goes."""
    many = [(number / 2000, frame(*CLIENT, *SERVER, size=60)) for number in range(MAX_HELD_PACKETS + 4000)]
    with playing(tmp_path / "trace.pcap", many) as app:
        async with app.run_test(size=(120, 24)) as pilot:
            await _at_end(app, pilot)
            await pilot.press("enter", "enter")
            await settle(pilot, lambda: "the file has more than these from" in screen_text(app))
            await settle(pilot, lambda: _at_cursor(app).time_ns == (START_SECONDS + 6) * 10**9)
            assert "2,000 shown" in packet_line(app, "counts")
            await pilot.press("left", "left", "left")
            await settle(pilot, lambda: "10,000 shown" in packet_line(app, "counts"))
            await settle(pilot, lambda: _at_cursor(app).time_ns == (START_SECONDS + 3) * 10**9)
            assert "the file has more than these " in packet_line(app, "choice")


async def test_a_recording_holds_none() -> None:
    store = SnapshotMemory()
    for tick in range(3):
        store.append(packets_snapshot(tick))
    app = Dashboard(None, Options(numeric=True), store=store)
    async with app.run_test(size=(120, 24)) as pilot:
        await _at_end(app, pilot)
        await pilot.press("enter", "enter")
        await _on_page(app, pilot)
        await settle(pilot, lambda: NO_PACKETS_IN_RECORDING in screen_text(app))
