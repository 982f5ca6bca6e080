from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from netdash.model.snapshot import Accounting
from netdash.model.units import Units
from netdash.ui.widgets.accounting_line import AccountingLine

WHOLE = Accounting("segments", 10_000_000, 10_000_000, 9_000_000, 700_000, 300_000, 0)


class LineApp(App[None]):
    def compose(self) -> ComposeResult:
        yield AccountingLine()


@pytest.mark.parametrize(
    ("accounting", "width", "expected"),
    [
        (None, 80, ""),
        (WHOLE, 80, " kernel 10.0MB counted 10.0MB procs 9.00MB fwd 700kB own 300kB nobody 0B"),
        (
            WHOLE,
            120,
            " kernel counter 10.0MB  counted 10.0MB  processes 9.00MB  forwarded 700kB"
            "  kernel's own 300kB  unattributed 0B ",
        ),
        (
            Accounting("super-packets", 10_000_000, 9_900_000, 9_899_000, 0, 0, 1_000),
            80,
            " kernel 10.0MB counted !9.90MB procs 9.90MB fwd 0B own 0B nobody !1.00kB",
        ),
        (
            Accounting("segments", None, 5, 5, 0, 0, 0),
            80,
            " kernel – counted 5B procs 5B fwd 0B own 0B nobody 0B",
        ),
    ],
)
async def test_each_byte_has_its_place(accounting: Accounting | None, width: int, expected: str) -> None:
    app = LineApp()
    async with app.run_test(size=(width, 3)):
        line = app.query_one(AccountingLine)
        line.show_accounting(accounting, Units())
        assert line.text == expected
