"""What a run found, as text: the sections' tables, and the budgets with what was measured beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are ready text."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def lines(self) -> list[str]:
        """Markdown, its columns aligned; the first is text, the others figures."""
        rows = [tuple(cell.replace("|", "/") for cell in row) for row in (self.columns, *self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.columns))]
        rule = [":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])]
        drawn = [_row(rows[0], widths), "|" + "|".join(rule) + "|", *(_row(row, widths) for row in rows[1:])]
        return [f"**{self.title}**", "", *drawn, ""]


def _row(cells: tuple[str, ...], widths: Sequence[int]) -> str:
    aligned = [
        cells[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
    ]
    return "| " + " | ".join(aligned) + " |"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A budget, and whether this run kept to it."""

    what: str
    budget: str
    measured: str
    holds: bool | None
    """None: this run cannot tell."""
    reason: str = ""

    @property
    def answer(self) -> str:
        """In words, with the reason."""
        word = {True: "holds", False: "does not hold", None: "not shown"}[self.holds]
        return f"{word}: {self.reason}" if self.reason else word


@dataclass(slots=True)
class Section:
    """What one kind of measurement found."""

    title: str
    remarks: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Markdown."""
        lines = [f"## {self.title}", ""]
        for table in self.tables:
            lines += table.lines()
        for remark in self.remarks:
            lines += [f"* {remark}"]
        return [*lines, ""] if self.remarks else lines


def budget_lines(sections: Iterable[Section]) -> list[str]:
    """All verdicts as one Markdown table."""
    rows = [(v.what, v.budget, v.measured, v.answer) for section in sections for v in section.verdicts]
    if not rows:
        return []
    table = ["| what | budget | measured | |", "|---|---|---|---|"]
    return ["## Budgets", "", *table, *("| " + " | ".join(row) + " |" for row in rows), ""]


def ratio(value: float, reference: float) -> str:
    """`value` as a multiple of `reference`; a dash where there is nothing to compare with."""
    return f"{value / reference:.2f}x" if reference > 0 else "-"


def count(number: float) -> str:
    """1234567 -> 1,234,567."""
    return f"{number:,.0f}"


def short(number: int) -> str:
    """Of round figures: 100, 10 k, 1 M."""
    for unit, name in ((1_000_000, " M"), (1_000, " k")):
        if number >= unit and number % unit == 0:
            return f"{number // unit}{name}"
    return count(number)


def milliseconds(seconds: float) -> str:
    """With one decimal."""
    return f"{seconds * 1e3:.1f} ms"


def percent(share: float) -> str:
    """Of 1, with one decimal."""
    return f"{share:.1%}".replace("%", " %")


def mebibytes(number: float) -> str:
    """Of bytes."""
    return f"{number / (1 << 20):,.0f} MiB"
