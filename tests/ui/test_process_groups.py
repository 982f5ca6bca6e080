"""The Processes view: rows joined by user, unit and container, and what is opened below a row."""

from __future__ import annotations

from netdash.model.snapshot import Snapshot
from netdash.model.tables import Attribution
from netdash.options import Options
from netdash.ui.scope import ConnectionScope, ProcessScope
from netdash.ui.widgets.line_table import LineTable
from tests.ui.apps import dashboard
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot
from tests.ui.golden import Golden
from tests.ui.test_processes_view import HOSTILE, lines, show, total

OWNED = Attribution.SOCKET


def host(tick: int) -> Snapshot:
    """Three processes of two users; one connection is seen on two interfaces."""
    return snapshot(
        tick,
        interfaces=[interface(), interface("br0", 5, kind="bridge")],
        processes=[
            process(7, "web", user="www", unit="web.service", rx_bytes=900, tx_bytes=100, connections=2),
            process(8, "web", user="www", unit="web.service", rx_bytes=50, tx_bytes=0, connections=1),
            process(9, "db", user="root", container="docker 3f2a9c1b", rx_bytes=3000, tx_bytes=0, connections=1),
        ],
        flows=[
            flow("10.0.0.1", 5000, "203.0.113.9", 443, pid=7, attribution=OWNED, rx_bytes=800, tx_bytes=100),
            flow("10.0.0.1", 5000, "203.0.113.9", 443, ifindex=5, pid=7, attribution=OWNED, rx_bytes=700, tx_bytes=90),
            flow("10.0.0.1", 5001, "203.0.113.8", 443, pid=7, attribution=OWNED, rx_bytes=100, tx_bytes=0),
            flow("10.0.0.1", 80, "192.0.2.1", 4000, attribution=Attribution.FORWARDED, rx_bytes=60, tx_bytes=0),
        ]
        if tick
        else [],
    )


async def test_groups_add_up() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, host(0), host(1))
        whole = total(app)
        await pilot.press("a")
        first, second, third = lines(app)
        assert first.split()[:3] == ["1", "proc", "root"]
        assert second.split()[:3] == ["2", "proc", "www"]
        assert second.split()[-2:] == ["950B", "100B"]
        assert "* forwarded traffic" in third
        await pilot.press("a")
        assert "(no unit)" in lines(app)[0]
        assert "web.service" in lines(app)[1]
        await pilot.press("a")
        assert "docker 3f2a9c1b" in lines(app)[0]
        assert total(app) == whole
        await pilot.press("a")
        assert len(lines(app)) == 4


async def test_connections_open_in_place_each_once() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, host(0), host(1))
        await pilot.press("down", "e")
        assert "→ 203.0.113.9:443" in lines(app)[2]
        assert lines(app)[2].split()[-2:] == ["800B", "100B"]
        assert "→ 203.0.113.8:443" in lines(app)[3]
        assert len(lines(app)) == 6
        await pilot.press("down", "e")
        assert len(lines(app)) == 4
        assert app.main_screen.query_one("#process-table", LineTable).cursor_key == (7, 1000)
        await pilot.press("e", "down", "enter")
        await pilot.pause()
        scope = app.state.scope
        assert isinstance(scope.connection, ConnectionScope)
        assert scope.process == ProcessScope(7, 1000, "web")
        assert scope.trail == "web (7) › 203.0.113.9:443"
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == "connection"


async def test_a_group_opens_to_its_processes_and_they_to_their_connections() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, host(0), host(1))
        await pilot.press("a", "down", "enter")
        await pilot.pause()
        assert [line.split()[0] for line in lines(app)[2:4]] == ["7", "8"]
        await pilot.press("down", "e")
        assert "→ 203.0.113.9:443" in lines(app)[3]


async def test_hostile_groups_are_drawn_as_text() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(160, 24)) as pilot:
        evil = process(1, "[kworker/0:1]", user=HOSTILE, unit=HOSTILE * 10, container="\udcff" + HOSTILE)
        await show(app, pilot, snapshot(0), snapshot(1, processes=[evil]))
        for _ in range(4):
            await pilot.press("a", "e")
            text = "\n".join(lines(app))
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "[kworker/0:1]" in text


async def test_screens(golden: Golden) -> None:
    for name, keys, size, options in (
        ("opened-80", "e", (80, 24), Options()),
        ("users-120", "ajee", (120, 36), Options()),
        ("units-200-ascii", "aa", (200, 50), Options(ascii_only=True)),
    ):
        app = dashboard(FakeSource(), options)
        async with app.run_test(size=size) as pilot:
            await show(app, pilot, *[host(tick) for tick in range(4)])
            await pilot.press(*keys)
            await pilot.pause()
            app.main_screen.tell("")
            await pilot.pause()
            golden(app, name)
