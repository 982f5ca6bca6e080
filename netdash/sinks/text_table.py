"""Aligned columns of text."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int], minimum: Sequence[int]
) -> list[str]:
    """Lines of columns as wide as their widest field, at least `minimum`; columns in `left` begin at the left."""
    widths = [
        max(least, len(title), *(len(row[column]) for row in rows))
        for column, (title, least) in enumerate(zip(header, minimum, strict=True))
    ]
    return [
        " ".join(
            field.ljust(width) if column in left else field.rjust(width)
            for column, (field, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
