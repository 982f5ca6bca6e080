"""The Protocols view: the kernel's own counters, and which of them are abnormal."""

from __future__ import annotations

from netdash.ui.views.counter_rules import RULES
from netdash.ui.views.counter_texts import TROUBLE, is_trouble, meaning
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import dashboard, take
from tests.ui.fixtures import FakeSource, snapshot
from tests.ui.protocol_host import detail, host, lines, show


async def test_what_is_abnormal_comes_first_with_its_limit_and_what_to_look_at() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, *[host(tick) for tick in range(5)])
        rows = lines(app, "#protocol-counters")
        assert rows[0].split()[:4] == ["!", "Tcp.RetransSegs", "12", "24"]
        assert rows[0].endswith("segments sent again: lost on the way")
        assert rows[1].split()[:4] == ["!", "Udp6.RcvbufErrors", "1", "4"]
        assert rows[2].split()[:3] == ["TcpExt.ListenOverflows", "0", "3"]
        assert "Tcp.ActiveOpens" not in "".join(rows)
        assert "K kernel !2" in app.main_screen.query_one("#protocol-pages", TextLine).text
        assert detail(app).startswith(" ! 2.0% of segments sent (bad: >1%)  look: Sockets: retr")
        await pilot.press("down")
        await pilot.pause()
        assert detail(app).startswith(" ! 1/s (bad whenever it moves)  look: Sockets by drops")
        await pilot.press("down")
        await pilot.pause()
        assert detail(app) == " TcpExt.ListenOverflows: accept queue full: server too slow"


async def test_figures_that_go_up_and_down_stand_below_the_counters() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        gauges = {"Sockstat.TCP.tw": 7, "Sockstat.TCP.orphan": 0, "Ip.DefaultTTL": 64, "Tcp.CurrEstab": 35}
        await show(app, pilot, snapshot(0), snapshot(1, counters={"Tcp.InSegs": 5}, gauges=gauges))
        await pilot.press("K")
        assert [line.split()[:3] for line in lines(app, "#protocol-counters")] == [
            ["Tcp.InSegs", "5", "5"],
            ["Sockstat.TCP.tw", "now", "7"],
            ["Tcp.CurrEstab", "now", "35"],
        ]
        assert lines(app, "#protocol-counters")[1].endswith("TCP connections in TIME-WAIT")


async def test_below_its_limit_a_sign_of_trouble_is_not_abnormal() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        counters = {"Tcp.RetransSegs": 5, "Tcp.OutSegs": 1000, "Tcp.OutRsts": 5, "TcpExt.TCPTimeouts": 0}
        await show(app, pilot, snapshot(0), snapshot(1, counters=counters))
        assert not any(line.startswith("!") for line in lines(app, "#protocol-counters"))
        await take(app, pilot, snapshot(2, counters=counters | {"Tcp.RetransSegs": 11, "Tcp.OutRsts": 6}))
        marked = [line.split()[1] for line in lines(app, "#protocol-counters") if line.startswith("!")]
        assert marked == ["Tcp.OutRsts", "Tcp.RetransSegs"]


def test_every_rule_has_words() -> None:
    assert set(RULES) <= set(TROUBLE)
    assert all(0.0 < rule.limit < 1.0 and rule.whole for rule in RULES.values() if rule.of)


async def test_rates_below_one_are_not_rounded_to_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(60, interval=60.0, counters={"Tcp.InErrs": 3}))
        assert lines(app, "#protocol-counters")[0].split()[:4] == ["!", "Tcp.InErrs", "0.05", "3"]
        assert detail(app).startswith(" ! 0.05/s (bad")


def test_meanings() -> None:
    assert is_trouble("Udp6.InErrors")
    assert meaning("Udp6.InErrors") == TROUBLE["Udp.InErrors"]
    assert not is_trouble("Tcp.InSegs")
    assert meaning("No.Such") == ""
    assert all(len(text) <= 38 for text in TROUBLE.values())
