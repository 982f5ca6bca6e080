"""All of one packet: its layers fold, its fields show their bytes, and nothing takes it away while it is read."""

from __future__ import annotations

import struct

import pytest
from textual.pilot import Pilot

from netdash.model.held_packets import MAX_HELD_PACKETS
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.theme import Tone
from netdash.ui.views.packet_tree import PacketBytes, PacketTree
from netdash.ui.widgets.line_table import LineTable
from tests.ui.apps import dashboard, settle
from tests.ui.golden import Golden, screen_text
from tests.ui.packets import FakePacketSource, open_page, packet, packet_line
from tests.unit.kernel.flow_frames import ipv4, tcp


def _table(app: Dashboard, name: str) -> LineTable:
    return app.main_screen.query_one(f"#packet-{name}", LineTable)


def _tree(app: Dashboard) -> PacketTree:
    model = _table(app, "layers").model
    assert isinstance(model, PacketTree)
    return model


def _names(app: Dashboard) -> set[object]:
    tree = _tree(app)
    return {tree.cells(index)[0] for index in range(len(tree))}


def _has_focus(app: Dashboard, name: str) -> bool:
    return app.focused is not None and app.focused.id == f"packet-{name}"


async def _opened(app: Dashboard, pilot: Pilot[int], count: int = 3) -> FakePacketSource:
    source = await open_page(app, pilot, "2", "enter", "enter")
    source.deliver(*(packet(number, outgoing=bool(number % 2)) for number in range(count)))
    await settle(pilot, lambda: "seq=" in screen_text(app))
    await pilot.press("enter")
    await settle(pilot, lambda: len(_table(app, "layers").model) > 0)
    return source


async def test_enter_opens_and_escape_leads_back_step_by_step() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await _opened(app, pilot)
        assert [layer.kind for layer in _tree(app).layers] == ["Packet", "Ether", "IP", "TCP", "Raw"]
        assert "sport" in screen_text(app)
        assert _has_focus(app, "list")
        await pilot.press("enter")
        assert _has_focus(app, "layers")
        await pilot.press("right")
        assert "iface" not in screen_text(app)
        assert "curl (4321) of alice" in screen_text(app), "the packet's process"
        await pilot.press("down", "enter")
        assert _has_focus(app, "bytes")
        for name in ("layers", "list"):
            await pilot.press("escape")
            assert _has_focus(app, name)
        await pilot.press("escape")
        assert not app.main_screen.query_one("#packet-detail").display
        await pilot.press("escape")
        await settle(pilot, lambda: app.main_screen.view is not None and app.main_screen.view.view_id == "connection")


async def test_layers_fold_and_stay_as_they_are_from_packet_to_packet() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await _opened(app, pilot)
        await pilot.press("enter", "down", "down", "enter")
        assert {"    ttl", "    sport"} <= _names(app)
        await pilot.press("down", "left")
        assert "    ttl" not in _names(app)
        await pilot.press("right", "escape", "up")
        await settle(pilot, lambda: ".001" in _tree(app).layers[0].words)
        assert {"    ttl", "    sport"} <= _names(app)


async def test_a_field_shows_its_bytes() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await _opened(app, pilot)
        await pilot.press("enter", "down", "down", "down", "down", "down")
        tree = _tree(app)
        index = _table(app, "layers").cursor_index
        assert (tree.cells(index)[0], tree.place(index)) == ("    dport", range(36, 38))
        shown = _table(app, "bytes")
        assert shown.cursor_key == 32
        marked = [cell for cell in shown.model.cells(2) if cell[1] is Tone.MARK]
        assert marked == [("01", Tone.MARK), ("bb", Tone.MARK)]


def test_bytes_of_the_last_line_and_beyond() -> None:
    model = PacketBytes(bytes(range(20)), range(15, 99))
    assert len(model) == 2
    assert [cell for cell in model.cells(0) if cell[1] is Tone.MARK] == [("0f", Tone.MARK)]
    assert [len(model.cells(row)) for row in (0, 1)] == [18, 18]
    assert (model.find(16), model.find(32), model.find(None)) == (1, None, None)
    assert len(PacketBytes(b"", None)) == 0


async def test_what_is_read_stays_while_packets_come() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        source = await _opened(app, pilot)
        source.deliver(*map(packet, range(3, MAX_HELD_PACKETS + 50)))
        await settle(pilot, lambda: "53 not taken" in packet_line(app, "counts") or "50 not" in screen_text(app))
        assert _table(app, "list").cursor_key == 2
        assert "14:00:00.002" in screen_text(app).partition("layer, field")[2]
        await pilot.press("escape")
        await settle(pilot, lambda: _table(app, "list").cursor_key == MAX_HELD_PACKETS - 1)


async def test_hostile_bytes_are_harmless() -> None:
    app = dashboard(FakePacketSource())
    hostile = packet(1, ipv4(6, tcp(0x18, payload=b"\x1b[2J[red]\xe2\x80\xae\x9b31m\x07")))
    async with app.run_test(size=(120, 36)) as pilot:
        source = await open_page(app, pilot, "2", "enter", "enter")
        source.deliver(hostile, packet(2, b""))
        await settle(pilot, lambda: "seq=" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: "no byte was kept" in screen_text(app))
        await pilot.press("up")
        await settle(pilot, lambda: "[red]" in screen_text(app))
        await pilot.press("enter", "end", "enter")
        await settle(pilot, lambda: "load" in screen_text(app))
        assert not {"\x1b", "\x9b", "\u202e", "\x07"} & set(screen_text(app))


def _conversation() -> list[bytes]:
    name = b"\x07example\x03org\x00\x00\x01\x00\x01"
    query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + name
    answer = (
        struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
        + name
        + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04"
    )
    return [
        ipv4(17, struct.pack("!HHHH", 5353, 53, 8 + len(query), 0) + query),
        ipv4(17, struct.pack("!HHHH", 53, 5353, 8 + len(answer), 0) + answer),
        ipv4(6, tcp(0x18, payload=b"GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n")),
        ipv4(6, tcp(0x18, payload=b"HTTP/1.1 404 Not Found\r\n\r\n")),
        ipv4(6, tcp(0x04)),
    ]


@pytest.mark.parametrize(
    ("size", "ascii_only"), [((80, 24), False), ((120, 36), False), ((80, 24), True)], ids=["80x24", "120x36", "ascii"]
)
async def test_screens(golden: Golden, size: tuple[int, int], ascii_only: bool) -> None:
    app = dashboard(FakePacketSource(), Options(ascii_only=ascii_only))
    async with app.run_test(size=size) as pilot:
        source = await open_page(app, pilot, "2", "v")
        frames = [packet(n, data, outgoing=n % 2 == 0) for n, data in enumerate(_conversation())]
        source.deliver(*frames, skipped=12)
        await settle(pilot, lambda: "404" in screen_text(app))
        golden(app, "list")
        await pilot.press("enter", "up", "up", "enter", "end")
        await settle(pilot, lambda: "47 45 54" in screen_text(app))
        await pilot.pause()
        golden(app, "opened")
