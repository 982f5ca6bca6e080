"""The line that says what is missing: notes of the collector and lost packets."""

from __future__ import annotations

from rich.style import Style

from netdash.ui.theme import Palette
from netdash.ui.widgets.text_line import TextLine


class Banner(TextLine):
    """Shown while there is something that was not dismissed; new notes bring it back."""

    DEFAULT_CSS = """
    Banner { display: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._notes: tuple[str, ...] = ()
        self._dismissed: frozenset[str] = frozenset()

    def line_style(self, palette: Palette) -> Style | None:
        """Stands out."""
        return palette.alert

    def tell(self, notes: tuple[str, ...]) -> None:
        """Shows the notes that were not dismissed; the first of them stands there, the others as a number."""
        self._notes = notes
        fresh = [note for note in notes if note not in self._dismissed]
        if fresh:
            more = f" (+{len(fresh) - 1} more)" if len(fresh) > 1 else ""
            self.show([f" ! {fresh[0]}"], [f"{more}  Esc hides, ? shows all "])
        self.display = bool(fresh)

    def dismiss(self) -> bool:
        """Hides the notes of now. False when none was shown."""
        if not self.display:
            return False
        self._dismissed |= frozenset(self._notes)
        self.display = False
        return True
