"""The Flows view: grouped and joined rows, what Enter and Esc do, closed flows, rows that keep their places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from textual.pilot import Pilot

from netdash.model.filter import parse_filter
from netdash.model.filter.context import FilterContext
from netdash.model.flow_history import FlowHistory, FlowTable
from netdash.model.protocols import UDP
from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_OVERFLOW, FLOW_ROW, Attribution, pack_address
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.scope import ConnectionScope, Scope
from netdash.ui.views.flow_groups import Group, Joining, row_ids
from netdash.ui.views.flow_joins import Details, FlowRows, RepeatedJoin, join_flows
from netdash.ui.views.flow_text import Labels, row_words
from netdash.ui.widgets.header_line import HeaderLine
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot
from tests.ui.flows import lines, locals_of, show, status, text_of
from tests.ui.golden import Golden
from tests.ui.test_processes_view import lines as process_lines

FIN_ACK = 0x11


def host(tick: int = 1) -> Snapshot:
    """Two interfaces that see one connection, three remote hosts in two networks."""
    owned = Attribution.SOCKET
    flows = [
        flow("10.0.0.1", 5000, "203.0.113.9", 443, pid=7, attribution=owned, rx_bytes=900, tx_bytes=100),
        flow("10.0.0.1", 5000, "203.0.113.9", 443, ifindex=5, pid=7, attribution=owned, rx_bytes=800, tx_bytes=90),
        flow("10.0.0.1", 5001, "203.0.113.9", 443, pid=8, attribution=owned, rx_bytes=3000, tx_bytes=0),
        flow("10.0.0.1", 5002, "203.0.113.77", 443, pid=7, attribution=owned, rx_bytes=500, tx_bytes=0),
        flow("10.0.0.1", 53, "198.51.100.1", 40000, protocol=UDP, pid=7, attribution=owned, rx_bytes=70, tx_bytes=7),
        flow("10.0.0.1", 22, "2001:db8:1:2::9", 4000, ethertype=0x86DD, rx_bytes=20, tx_bytes=0),
    ]
    return snapshot(
        tick,
        interfaces=[interface(), interface("br0", 5, kind="bridge")],
        flows=flows if tick else [],
        processes=[process(7, "web"), process(8, "db")],
    )


def summed(app: Dashboard) -> list[tuple[str, str, str]]:
    """First word, number of flows and total of each line of one line a row."""
    return [(line.split()[0], line.split("flow")[0].split()[-1], line.split()[-4]) for line in lines(app)]


async def grouped(app: Dashboard, pilot: Pilot[int], *keys: str) -> None:
    app.state.names = False
    await show(app, pilot, host(0), host(1))
    await pilot.press("t", *keys)


async def test_groups_count_each_connection_once_and_name_what_they_are() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await grouped(app, pilot, "a")
        assert summed(app) == [
            ("203.0.113.9", "2", "4.00kB"),
            ("203.0.113.77", "1", "500B"),
            ("198.51.100.1", "1", "77B"),
            ("2001:db8:1:2::9", "1", "20B"),
        ]
        assert "several processes" in lines(app)[0]
        assert "web (7)" in lines(app)[1]
        assert status(app).startswith(" 4 remote hosts by 2 s rate")
        await pilot.press("a")
        assert summed(app) == [
            ("203.0.113.0/24", "3", "4.50kB"),
            ("198.51.100.0/24", "1", "77B"),
            ("2001:db8:1:2::/64", "1", "20B"),
        ]
        await pilot.press("a")
        assert summed(app) == [("443", "3", "4.50kB"), ("53", "1", "77B"), ("22", "1", "20B")]
        assert "443 tcp" in lines(app)[0]
        assert "53 udp" in lines(app)[1]
        await pilot.press("a")
        assert len(lines(app)) == 6


async def test_joined_ends() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await grouped(app, pilot, "s")
        first = lines(app)[0].split()
        assert first[:3] == ["*", "↔", "203.0.113.9:443"]
        assert "tcp, 2 flows" in lines(app)[0]
        assert status(app).startswith(" 5 remote ends")
        await pilot.press("s", "d", "p")
        assert {line.split()[0] for line in lines(app)} == {"10.0.0.1"}
        assert all(line.split()[2] == "*" for line in lines(app))
        assert status(app).startswith(" 3 local ends")
        await pilot.press("s")
        assert status(app).startswith(" 3 protocols")


async def test_enter_opens_a_group_and_then_narrows_to_one_flow() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await grouped(app, pilot, "a", "enter")
        await pilot.pause()
        assert len(lines(app)) == 3
        assert status(app).startswith(" 3 flows in host:203.0.113.9 by")
        assert "cum: 4.00kB" in text_of(app, "#flow-both")
        await pilot.press("enter")
        await pilot.pause()
        connection = app.state.scope.connection
        assert isinstance(connection, ConnectionScope)
        assert (connection.interface, connection.protocol, connection.local_port) == ("eth0", 6, 5001)
        assert app.state.scope.trail == "host:203.0.113.9 › 203.0.113.9:443"
        await pilot.press("2")
        await pilot.pause()
        assert locals_of(app) == ["10.0.0.1:5001"]
        await take(app, pilot, snapshot(60, interfaces=[interface()]))
        assert locals_of(app) == ["10.0.0.1:5001"]
        await pilot.press("escape")
        await pilot.pause()
        assert app.state.scope.connection is None
        assert "in host:203.0.113.9" in status(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "remote hosts" in status(app)
        assert app.state.scope == Scope()


async def test_an_opened_row_is_in_the_scope_of_all_views() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await grouped(app, pilot, "a", "a", "enter")
        await pilot.pause()
        assert app.state.scope.trail == "net:203.0.113.0/24"
        assert " net:203.0.113.0/24 " in app.main_screen.query_one(HeaderLine).text
        await pilot.press("a", "enter")
        await pilot.pause()
        assert app.state.scope.trail == "net:203.0.113.0/24 › host:203.0.113.9"
        assert status(app).startswith(" 3 flows in net:203.0.113.0/24 host:203.0.113.9")
        await pilot.press("3")
        await pilot.pause()
        rows = [line.split() for line in process_lines(app)]
        assert [(row[0], row[2], row[-6], row[-5]) for row in rows] == [
            ("8", "db", "24.0kb", "0b"),
            ("7", "web", "7.20kb", "800b"),
        ]
        await pilot.press("escape")
        await pilot.pause()
        rows = [line.split() for line in process_lines(app)]
        assert [(row[0], row[-6], row[-5]) for row in rows] == [("8", "24.0kb", "0b"), ("7", "11.2kb", "800b")]
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.scope.trail == "db (8) › net:203.0.113.0/24"
        assert status(app).startswith(" 1 remote host in net:203.0.113.0/24")
        await pilot.press("escape", "2")
        await pilot.pause()
        assert status(app).startswith(" 2 remote hosts in net:203.0.113.0/24")
        await pilot.press("down", "escape")
        await pilot.pause()
        assert status(app).startswith(" 3 remote networks")
        assert app.main_screen.query_one("#flow-table", LineTable).cursor_index == 0


async def test_flows_without_a_row_of_their_own_cannot_be_opened() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        rest = [flow("::", 0, "::", 0, ifindex=index, ethertype=0, flags=FLOW_OVERFLOW) for index in (2, 3)]
        await show(app, pilot, snapshot(0), snapshot(1, flows=rest))
        await pilot.press("a", "enter")
        await settle(pilot, lambda: "no room for rows" in app.main_screen.query_one(KeyLine).notice)
        assert app.state.scope == Scope()


def all_of(rows: FlowRows) -> Details:
    return rows.details(np.arange(len(rows)))


JOININGS = [Joining(group) for group in Group] + [Joining(local=False), Joining(remote=False), Joining(ports=False)]


@pytest.mark.parametrize("by", JOININGS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_the_words_of_a_row_match_its_flows(by: Joining, seed: int) -> None:
    """Whatever the flows: the words are a filter, and no flow of the row is left out by it."""
    random = np.random.default_rng(seed)
    size = 40
    flows = np.zeros(size, FLOW_ROW)
    flows["ethertype"] = random.choice([0x0800, 0x86DD, 0x0806, 0x88CC, 4], size)
    flows["protocol"] = random.choice([6, 17, 1, 58, 47, 253], size)
    flows["ifindex"] = random.integers(2, 5, size)
    flows["local_port"], flows["remote_port"] = random.integers(0, 5, (2, size))
    hosts = [pack_address(text) for text in ("10.0.0.1", "10.0.0.2", "2001:db8::1", "127.0.0.1", "::")]
    for side in ("local", "remote"):
        chosen = random.integers(0, len(hosts), size)
        flows[side] = np.stack([np.frombuffer(hosts[index], np.uint8) for index in chosen])
    flows["id"] = np.arange(size)
    names = {2: "eth0", 3: 'a"b', 4: "[x] y:1"}
    interfaces = tuple(interface(name, index) for index, name in names.items())
    labels = Labels(by=by, interfaces=names)
    ids, seen = row_ids(flows, by), np.ones(size, np.int64)
    moved, flags = np.ones((2, size), np.int64), np.zeros(size, np.uint8)
    table = FlowTable(flows, np.ones(size, np.bool_), seen, seen, flags, moved, moved, np.ones((3, 2, size)))
    for row_id in np.unique(ids):
        members = ids == row_id
        row = all_of(join_flows(table, np.flatnonzero(members), by)).flows[0]
        matching = parse_filter(row_words(row, by, labels)).flows(flows, FilterContext(interfaces=interfaces))
        assert matching[members].all()


async def test_closed_flows_stay_greyed_and_are_called_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        ended, lasting = flow("10.0.0.1", 5, rx_bytes=9000), flow("10.0.0.1", 6, rx_bytes=100)
        ended["tcp_flags"] = FIN_ACK
        late = ended.copy()
        late["tcp_flags"] = 0x10
        await show(app, pilot, snapshot(0), snapshot(1, flows=[ended, lasting]), snapshot(2, flows=[late, lasting]))
        assert "closed" not in status(app)
        await take(app, pilot, snapshot(3, flows=[lasting]))
        text = "\n".join(lines(app))
        assert "closed" in text
        assert "×" in text
        assert "1 closed, kept 40 s" in status(app)
        await take(app, pilot, snapshot(50, flows=[lasting]))
        assert "10.0.0.1:5 " not in "\n".join(lines(app))
        again = ended.copy()
        again["tcp_flags"] = 0x02
        await take(app, pilot, snapshot(51, flows=[again]), snapshot(52))
        assert "closed" not in status(app)


async def test_rows_of_like_rates_keep_their_places() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:

        def rates(*figures: int) -> list[NDArray[np.void]]:
            return [flow("10.0.0.1", port, rx_bytes=figure, tx_bytes=0) for port, figure in enumerate(figures, start=1)]

        await show(app, pilot, snapshot(0), snapshot(10, interval=10.0, flows=rates(10_000, 9900, 9800)))
        await pilot.press("t")
        assert locals_of(app) == ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"]
        await take(app, pilot, snapshot(20, interval=10.0, flows=rates(10_000, 10_500, 30_000)))
        assert locals_of(app) == ["10.0.0.1:3", "10.0.0.1:1", "10.0.0.1:2"]
        assert "by 2 s rate ±10%" in status(app)
        await pilot.press("S", "r")
        assert locals_of(app) == ["10.0.0.1:3", "10.0.0.1:2", "10.0.0.1:1"]


async def test_screens_of_groups(golden: Golden) -> None:
    for name, keys, size, options in (
        ("hosts-80", "a", (80, 24), Options()),
        ("networks-120", "taa", (120, 36), Options()),
        ("ports-200-ascii", "aaa", (200, 50), Options(ascii_only=True)),
        ("opened", "ta\r", (80, 24), Options()),
    ):
        app = dashboard(FakeSource(), options)
        async with app.run_test(size=size) as pilot:
            await show(app, pilot, *[host(tick) for tick in range(4)])
            await pilot.press(*["enter" if key == "\r" else key for key in keys])
            await pilot.pause()
            app.main_screen.tell("")
            await pilot.pause()
            golden(app, name)


def test_rows_are_joined_once_for_the_same_flows() -> None:
    history, join = FlowHistory(64), RepeatedJoin()
    history.update(host(0))
    history.update(host(1))
    table = history.table
    by = Joining(group=Group.HOSTS)
    positions = np.arange(len(table))
    first = join(table, positions, by)
    assert join(table, positions.copy(), by) is first
    for other in (join(table, positions[1:], by), join(table, positions, Joining(group=Group.PORTS))):
        assert other is not first
    again = join(table, positions, by)
    assert again is not first, "the last ones alone are kept"
    assert all_of(again).flows.tobytes() == all_of(first).flows.tobytes()
    history.update(host(2))
    assert join(history.table, positions, by) is not again


@pytest.mark.parametrize("by", JOININGS)
def test_rows_of_one_flow_each_are_as_beside_one_of_two(by: Joining) -> None:
    distinct = [
        flow(f"10.0.{n}.1", 1000 + n, f"203.{n}.113.9", 100 + n, pid=n, rx_bytes=10 * n, tx_bytes=n) for n in range(9)
    ]
    twins = [flow("10.9.9.9", 9, "198.51.100.9", 7, rx_bytes=5) for _ in range(2)]
    twins[1]["id"] += 1
    history = FlowHistory(64)
    history.update(snapshot(0))
    history.update(snapshot(1, interfaces=[interface()], flows=[*distinct, *twins]))
    is_twin = history.table.flows["remote_port"] == 7
    alone = join_flows(history.table, np.flatnonzero(~is_twin), by)
    added = join_flows(history.table, np.arange(11), by)
    assert (len(alone.ids), len(added.ids)) == (9, 10)
    assert sorted(added.members) == [1] * 9 + [2]
    place = {row_id: place for place, row_id in enumerate(added.ids.tolist())}
    among = added.details(np.array([place[row_id] for row_id in alone.ids.tolist()]))
    for name in Details._fields:
        assert getattr(among, name).tobytes() == getattr(all_of(alone), name).tobytes(), name
