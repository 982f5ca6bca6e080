"""Key x: the SSH connection that the user looks through leaves the tables, and the header says what it moves."""

from __future__ import annotations

import pytest

from netdash.ui.app import Dashboard
from netdash.ui.widgets.header_line import HeaderLine
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from tests.ui.apps import dashboard, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot


def _rows(app: Dashboard) -> str:
    assert app.main_screen.view is not None
    table = app.main_screen.view.query_one(LineTable)
    return "\n".join(str(table.model.cells(index)) for index in range(len(table.model)))


async def test_it_is_hidden_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 50022 10.0.0.1 22")
    app = dashboard(FakeSource())
    async with app.run_test(size=(160, 24)) as pilot:
        flows = [
            flow("10.0.0.1", 22, "198.51.100.7", 50022, pid=700, rx_bytes=1000, tx_bytes=2000),
            flow("10.0.0.1", 443, "198.51.100.7", 50022, pid=701, rx_bytes=10, tx_bytes=20),
        ]
        processes = [process(700, "sshd"), process(701, "nginx")]
        await take(app, pilot, snapshot(interfaces=[interface()], flows=flows, processes=processes))
        await pilot.press("2")
        assert "sshd" in _rows(app)
        await pilot.press("x")
        assert "sshd" not in _rows(app)
        assert "nginx" in _rows(app)
        assert "own SSH ▼8.00kb ▲16.0kb hidden" in app.main_screen.query_one(HeaderLine).text
        await pilot.press("3")
        assert "sshd" not in _rows(app)
        await pilot.press("x")
        assert "sshd" in _rows(app)
        assert "own SSH" not in app.main_screen.query_one(HeaderLine).text


async def test_without_ssh_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "none")
    app = dashboard(FakeSource())
    async with app.run_test(size=(160, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        await pilot.press("x")
        assert "no SSH here" in app.main_screen.query_one(KeyLine).notice
