"""The packets of the page in a file: asked for by name, never over another one unasked, with the process of each."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from netdash.model.packets import WatchedPacket
from netdash.ui.app import Dashboard
from netdash.ui.file_prompt import FilePrompt
from netdash.ui.views.packet_owners import PacketOwners
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import dashboard, settle
from tests.ui.packets import FakePacketSource, open_page, packet, packet_line
from tests.unit.kernel.flow_frames import ethernet, ipv4, tcp
from tests.unit.sources.capture_files import read_all


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def _notice(app: Dashboard) -> str:
    return app.main_screen.query_one(KeyLine).notice


def _words(app: Dashboard) -> str:
    return app.screen.query_one("#file-words", TextLine).text


async def _asked(app: Dashboard, pilot: Pilot[int], *keys: str) -> FakePacketSource:
    """The prompt is open, three packets are held."""
    source = await open_page(app, pilot, *(keys or ("2", "enter", "enter")))
    source.deliver(packet(1), packet(2, outgoing=True), packet(3, ethernet(0x0806, bytes(46))))
    await settle(pilot, lambda: "3 shown" in packet_line(app, "counts"))
    await pilot.press("w")
    await settle(pilot, lambda: isinstance(app.screen, FilePrompt))
    return source


async def test_a_dated_name_is_offered_and_the_file_names_the_process(tmp_path: Path) -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await _asked(app, pilot)
        assert "Write 3 packets to:" in _words(app)
        name = app.screen.query_one(Input).value
        assert re.fullmatch(r"netdash-\d{8}-\d{6}\.pcapng", name)
        await pilot.press("enter")
        await settle(pilot, lambda: _notice(app) == f"3 packets written to {name}")
    path = tmp_path / name
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [name]
    snapshots = read_all(path)
    assert sum(int(each.flows["rx_packets"].sum() + each.flows["tx_packets"].sum()) for each in snapshots) == 3
    processes = {(process.pid, process.name, process.user) for each in snapshots for process in each.processes}
    assert processes == {(4321, "curl", "alice")}


async def test_a_file_is_replaced_only_when_that_was_said(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await _asked(app, pilot)
        app.screen.query_one(Input).value = "old"
        await pilot.press("enter")
        assert "there is such a file: Enter again replaces it" in _words(app)
        assert (tmp_path / "old").read_text() == "old"
        await pilot.press("escape")
        assert not isinstance(app.screen, FilePrompt)
        await pilot.press("w")
        await settle(pilot, lambda: isinstance(app.screen, FilePrompt))
        app.screen.query_one(Input).value = "old"
        await pilot.press("enter", "enter")
        await settle(pilot, lambda: _notice(app) == "3 packets written to old")
    assert (tmp_path / "old").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


async def test_failures_are_one_line(tmp_path: Path) -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(200, 24)) as pilot:
        await _asked(app, pilot)
        for name, said in ((str(tmp_path), "that is a directory"), ("a\x1bb", "no control characters")):
            app.screen.query_one(Input).value = name
            await pilot.press("enter")
            assert said in _words(app)
        app.screen.query_one(Input).value = "missing/x.pcapng"
        await pilot.press("enter")
        await settle(pilot, lambda: "cannot be written" in _notice(app))
        assert _notice(app) == (
            "missing/x.pcapng: cannot be written: No such file or directory; choose another directory"
        )
    assert os.listdir(tmp_path) == []


async def test_nothing_to_write_and_nothing_wanted(tmp_path: Path) -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await open_page(app, pilot, "2", "enter", "enter")
        await pilot.press("w")
        await settle(pilot, lambda: _notice(app) == "no packet to write")
        await pilot.press("escape")
        await _asked(app, pilot, "enter")
        app.screen.query_one(Input).value = " "
        await pilot.press("enter")
        assert not isinstance(app.screen, FilePrompt)
    assert os.listdir(tmp_path) == []


async def test_of_all_packets_each_has_its_own_process() -> None:
    """By its flow, whichever of its ends sent it."""
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await open_page(app, pilot, "2", "v")
        owners = PacketOwners.of(app.state)
        curls, turned = _curls_packet(outgoing=True), _curls_packet(outgoing=False)
        notes = [owners(each) for each in (curls, turned)]
        assert [note.process if note else None for note in notes] == ["curl", "curl"]
        assert owners(packet(1)) is None
        assert owners(packet(2, ethernet(0x0806, bytes(46)))) is None


def _curls_packet(*, outgoing: bool) -> WatchedPacket:
    frame = bytearray(ipv4(6, tcp()))
    ends = [bytes([10, 0, 0, 1]), bytes([203, 0, 113, 9])]
    ports = [(41822).to_bytes(2, "big"), (443).to_bytes(2, "big")]
    order = 1 if outgoing else -1
    frame[26:34] = b"".join(ends[::order])
    frame[34:38] = b"".join(ports[::order])
    return packet(1, bytes(frame), outgoing=outgoing)
