"""The page of packets: reached by Enter and by key, decoded for real, bounded, and gone with its watch when left."""

from __future__ import annotations

import pytest

from netdash.model.held_packets import MAX_HELD_PACKETS
from netdash.model.packets import PacketWatch, WatchedFlow
from netdash.model.select import InterfaceSelection
from netdash.model.tables import pack_address
from netdash.options import Options
from netdash.ui.widgets.filter_prompt import FilterPrompt
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, snapshot
from tests.ui.golden import screen_text
from tests.ui.packets import FLOW, FakePacketSource, open_page, packet, packet_line, packet_list, packets_snapshot
from tests.unit.kernel.flow_frames import ipv4, tcp, udp

DNS = WatchedFlow(0x0800, 6, pack_address("10.0.0.1"), 53000, pack_address("198.51.100.7"), 53)


async def test_enter_leads_from_the_process_to_its_packets() -> None:
    """Three, Enter, Enter, Enter: the whole way from a process that moves much."""
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        source = await open_page(app, pilot, "3", "enter", "enter", "enter")
        assert source.watches == [PacketWatch(flows=(FLOW,), ifindex=2)]
        source.deliver(packet(1), packet(2, outgoing=True))
        await settle(pilot, lambda: "seq=" in screen_text(app))
        text = screen_text(app)
        assert "packets of tcp 10.0.0.1:41822 ↔ 203.0.113.9:443 on eth0" in text
        for expected in ("14:00:00.001", "▼", "▲", "192.0.2.1:1234", "198.51.100.7:443", "TCP", "[PA]", "len=8"):
            assert expected in text, expected


@pytest.mark.parametrize(
    ("keys", "watch", "words"),
    [
        (("3", "v"), PacketWatch(pid=4321), "of curl (4321)"),
        (("4", "v"), PacketWatch(flows=(FLOW,), ifindex=2), "203.0.113.9:443 on eth0"),
        (("4", "down", "v"), PacketWatch(flows=(DNS,)), "of flows that match sport:53000 proto:tcp"),
        (("2", "v"), PacketWatch(everything=True), "all on all interfaces"),
        (("1", "enter", "2", "v"), PacketWatch(everything=True, ifindex=2), "all on eth0"),
        (("3", "e", "down", "v"), PacketWatch(flows=(FLOW,), ifindex=2), "203.0.113.9:443 on eth0"),
    ],
)
async def test_a_key_leads_to_the_packets_of_what_is_shown(
    keys: tuple[str, ...], watch: PacketWatch, words: str
) -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        source = await open_page(app, pilot, *keys)
        assert source.watches == [watch]
        assert words in packet_line(app, "choice")


async def test_the_filters_flows_are_watched_and_followed() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await take(app, pilot, *map(packets_snapshot, range(3)))
        await pilot.press("2", "slash")
        await settle(pilot, lambda: isinstance(app.focused, FilterPrompt))
        await pilot.press(*"port:53", "enter", "v")
        source = app.source
        assert isinstance(source, FakePacketSource)
        await settle(pilot, lambda: source.watch is not None)
        assert source.watch == PacketWatch(flows=(DNS,))
        await settle(pilot, lambda: "/port:53 hides 1" in screen_text(app))
        source.deliver(packet(1))
        await settle(pilot, lambda: "1 shown" in packet_line(app, "counts"))
        new = flow("10.0.0.1", 53001, "198.51.100.7", 53, rx_bytes=10)
        await take(app, pilot, snapshot(3, interfaces=[interface("eth0", 2)], flows=[new]))
        await settle(pilot, lambda: len(source.watches) == 2)
        assert source.watch is not None
        assert [each.local_port for each in source.watch.flows] == [53000, 53001]
        assert "1 shown" in packet_line(app, "counts"), "what came before stays"
        source.deliver(packet(2))
        await settle(pilot, lambda: "2 shown" in packet_line(app, "counts"))


async def test_leaving_ends_the_watch() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 36)) as pilot:
        source = await open_page(app, pilot, "2", "enter", "enter")
        source.deliver(packet(1))
        await settle(pilot, lambda: "1 shown" in packet_line(app, "counts"))
        await pilot.press("escape")
        await settle(pilot, lambda: source.watch is None)
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == "connection"
        await pilot.press("enter")
        await settle(pilot, lambda: source.watch is not None)
        assert "0 shown" in packet_line(app, "counts")
        await pilot.press("1")
        await settle(pilot, lambda: source.watch is None)


async def test_it_follows_the_newest_until_the_cursor_goes_up() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 20)) as pilot:
        source = await open_page(app, pilot, "2", "enter", "enter")
        source.deliver(*map(packet, range(100)))
        await settle(pilot, lambda: packet_list(app).cursor_key == 99)
        source.deliver(*map(packet, range(100, 200)))
        await settle(pilot, lambda: packet_list(app).cursor_key == 199)
        await pilot.press("up", "up")
        assert "End: newest" in packet_line(app, "counts")
        source.deliver(*map(packet, range(200, 300)))
        await settle(pilot, lambda: len(packet_list(app).model) == 300)
        assert packet_list(app).cursor_key == 197
        await pilot.press("pageup", "pageup")
        await settle(pilot, lambda: "…" not in screen_text(app).replace("…\n", ""))
        await pilot.press("end")
        source.deliver(packet(300))
        await settle(pilot, lambda: packet_list(app).cursor_key == 300)


async def test_only_rows_in_sight_are_decoded() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 20)) as pilot:
        source = await open_page(app, pilot, "2", "enter", "enter")
        source.deliver(*map(packet, range(5000)))
        await settle(pilot, lambda: "seq=" in screen_text(app))
        packets = packet_list(app)
        assert sum(packets.summary(number) is not None for number in range(5000)) <= 20


async def test_what_is_not_shown_is_counted() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 20)) as pilot:
        source = await open_page(app, pilot, "2", "enter", "enter")
        source.deliver(*map(packet, range(MAX_HELD_PACKETS + 5)), skipped=1234)
        await settle(pilot, lambda: "5 dropped" in packet_line(app, "counts"))
        assert "10,000 shown" in packet_line(app, "counts")
        assert "1,234 skipped: over 2000/s" in packet_line(app, "counts")
        await settle(pilot, lambda: packet_list(app).cursor_key == MAX_HELD_PACKETS + 4)
        await pilot.press("up")
        await settle(pilot, lambda: "End: newest" in packet_line(app, "counts"))
        source.deliver(packet(1), packet(2))
        await settle(pilot, lambda: "2 not taken" in packet_line(app, "counts"))
        assert "5 dropped" in packet_line(app, "counts"), "what is read does not go away"


async def test_space_pauses() -> None:
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 20)) as pilot:
        source = await open_page(app, pilot, "2", "enter", "enter")
        source.deliver(packet(1))
        await settle(pilot, lambda: "1 shown" in packet_line(app, "counts"))
        await pilot.press("space")
        source.deliver(packet(2), packet(3))
        await settle(pilot, lambda: "2 not taken" in packet_line(app, "counts"))
        assert "1 shown" in packet_line(app, "counts")
        await pilot.press("space")
        source.deliver(packet(4))
        await settle(pilot, lambda: "2 shown" in packet_line(app, "counts"))


async def test_the_hidden_ssh_session_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its packets would be those that draw the list."""
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 443 192.0.2.1 1234")
    app = dashboard(FakePacketSource())
    async with app.run_test(size=(120, 20)) as pilot:
        await take(app, pilot, *map(packets_snapshot, range(3)))
        await pilot.press("x")
        assert app.state.hidden_session is not None
        source = await open_page(app, pilot, "2", "v", snapshots=0)
        source.deliver(packet(1), packet(2, ipv4(17, udp(b"other"))), packet(3))
        await settle(pilot, lambda: "1 shown" in packet_line(app, "counts"))
        assert "UDP" in screen_text(app)


async def test_only_interfaces_that_are_looked_at() -> None:
    app = dashboard(FakePacketSource(), Options(interfaces=InterfaceSelection(("eth0", "wan"))))
    async with app.run_test(size=(120, 20)) as pilot:
        source = await open_page(app, pilot, "2", "v")
        source.deliver(packet(1, ifindex=2), packet(2, ifindex=3), packet(3, ifindex=4))
        await settle(pilot, lambda: "2 shown" in packet_line(app, "counts"))
        assert "#3" not in screen_text(app)


async def test_a_refusal_says_why() -> None:
    source = FakePacketSource()
    source.refused = "packets need CAP_NET_RAW, which netdash was started without: run with sudo"
    app = dashboard(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_page(app, pilot, "2", "enter", "enter")
        await settle(pilot, lambda: source.refused is not None and source.refused in screen_text(app))


async def test_a_source_without_packets_says_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *map(packets_snapshot, range(3)))
        await pilot.press("2", "v")
        await settle(pilot, lambda: "no packets" in screen_text(app))


async def test_hostile_packets_are_harmless() -> None:
    app = dashboard(FakePacketSource())
    payloads = (b"GET /\x1b[2J[red]\xe2\x80\xae HTTP/1.1\r\n", b"SSH-2.0-\x9b31m[bold]x\r\n", b"\x1b]0;owned\x07")
    hostile = [packet(n, ipv4(6, tcp(0x18, payload=payload))) for n, payload in enumerate(payloads)]
    hostile += [packet(9, b""), packet(10, b"\x00"), packet(11, b"\xff" * 60)]
    async with app.run_test(size=(120, 24)) as pilot:
        source = await open_page(app, pilot, "2", "enter", "enter")
        source.deliver(*hostile)
        await settle(pilot, lambda: "SSH" in screen_text(app))
        text = screen_text(app)
        assert "[red]" in text
        assert "[bold]" in text
        assert not {"\x1b", "\x9b", "\u202e", "\x07"} & set(text)
