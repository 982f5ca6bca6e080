"""The first line: host, scope, total rates, how it is measured, what was missed, and when."""

from __future__ import annotations

import time

from rich.style import Style

from netdash.model.units import Units, count
from netdash.ui.state import DashboardState
from netdash.ui.text import width_of
from netdash.ui.theme import Palette, Tone
from netdash.ui.time_text import gap_text, place_texts
from netdash.ui.totals import headline_rates
from netdash.ui.widgets.text_line import Part, TextLine

_VOLUME = Units(bits=False)
_HOST_CELLS = 20
_SCOPE_CELLS = 40
_FILTER_CELLS = 24


class HeaderLine(TextLine):
    """Says what all figures of the screen are of."""

    progress: str | None = None
    """How far the way to another moment is; None: there, with all that is known of the time before."""

    def line_style(self, palette: Palette) -> Style | None:
        """A bar across the screen."""
        return palette.header

    def draw(self, state: DashboardState, silent_seconds: int = 0) -> None:
        """Draws the headline of the snapshot that is shown; `silent_seconds`: how long none has come, 0 = all is well.

        What matters least is left out where there is no room: the interval, then how it is measured, then the time.
        """
        subject = self._subject(state)
        marks = [*self._place(state, subject), *self._marks(state, silent_seconds)]
        extras = self._extras(state)
        while extras and _cells([*subject, *marks, *(part for _, part in extras)]) >= self.size.width:
            extras.remove(min(extras, key=lambda extra: extra[0]))
        self.show(subject, [*marks, *(part for _, part in extras)])

    def _subject(self, state: DashboardState) -> list[Part]:
        snapshot = state.snapshot
        host = snapshot.host if snapshot else "netdash"
        patterns = state.options.interfaces.patterns
        scope = state.scope.trail or (", ".join(patterns) if patterns else "all interfaces")
        parts: list[Part] = [(f" {_short(host, _HOST_CELLS)}", Tone.ACCENT), f" {_short(scope, _SCOPE_CELLS)}  "]
        if snapshot is None:
            return [*parts, ("waiting for the first figures", Tone.DIM)]
        limits = state.scope
        if limits.process or limits.narrowings or limits.connection:
            # The rates are an interface's, and not of what is in the scope.
            parts.append((f"{limits.interface.name if limits.interface else 'all'} ", Tone.DIM))
        rates = headline_rates(snapshot, state.options.interfaces, limits)
        parts.append((f"▼ {state.units.rate_per_second(rates.rx)}", Tone.RX))
        parts.append((f"  ▲ {state.units.rate_per_second(rates.tx)}", Tone.TX))
        return parts

    def _place(self, state: DashboardState, subject: list[Part]) -> list[Part]:
        """Which moment this is, if it is not now; as long as there is room."""
        texts = place_texts(state.player) if state.snapshot is not None else ()
        if not texts:
            return [(" PAUSED ", Tone.MARK)] if state.paused else []
        room = self.size.width - _cells(subject)
        marks: list[Part] = [(f" {next((t for t in texts if width_of(t) + 2 <= room), texts[-1])} ", Tone.MARK)]
        gap = gap_text(state.player)
        if gap:
            marks.append((f" {gap} ", Tone.BAD))
        if self.progress is not None:
            marks.append((f" {self.progress} ", Tone.WARN))
        elif state.paused and not state.settled:
            # The rows are still those of another moment.
            marks.append((" ... " if state.options.ascii_only else " … ", Tone.WARN))
        return marks

    def _marks(self, state: DashboardState, silent_seconds: int) -> list[Part]:
        """What must not be overlooked."""
        marks: list[Part] = []
        if state.read_share < 1.0:
            marks.append((f" reading, {state.read_share:.0%} ", Tone.WARN))
        if silent_seconds:
            marks.append((f" no data for {silent_seconds} s ", Tone.BAD))
        if state.row_filter is not None:
            hides = "does not apply here" if state.hidden_rows is None else f"hides {count(state.hidden_rows)}"
            marks.append((f" /{_short(state.row_filter.text, _FILTER_CELLS)} {hides} ", Tone.WARN))
        if state.hidden_session is not None:
            from netdash.ui.filtering import session_rates  # imports NumPy, too slow for the first paint

            rx, tx = session_rates(state)
            marks.append((f" own SSH ▼{state.units.rate(rx)} ▲{state.units.rate(tx)} hidden ", Tone.WARN))
        if state.recording is not None and state.recording.active:
            dot = "*" if state.options.ascii_only else "●"
            marks.append((f" {dot} REC {_VOLUME.volume(state.recording.size_bytes)} ", Tone.BAD))
        if state.lost_packets:
            marks.append((f" lost {count(state.lost_packets)} ", Tone.BAD))
        return marks

    def _extras(self, state: DashboardState) -> list[tuple[int, Part]]:
        """What may be left out, the least important with the lowest number."""
        snapshot = state.snapshot
        if snapshot is None:
            return []
        mode = f" {snapshot.mode.flows}/{snapshot.mode.processes} "
        if place_texts(state.player):
            since = state.histories.since
            told = "" if since is None else time.strftime(" totals since %H:%M:%S ", time.localtime(since))
            return [(1, (mode, Tone.DIM)), (2, (told, Tone.DIM))]
        clock = time.strftime(" %H:%M:%S ", time.localtime(snapshot.time))
        return [(1, (mode, Tone.DIM)), (0, (f" {state.interval_seconds:g}s ", Tone.DIM)), (2, clock)]


def _cells(parts: list[Part]) -> int:
    return sum(width_of(part if isinstance(part, str) else part[0]) for part in parts)


def _short(text: str, cells: int) -> str:
    return text if width_of(text) <= cells else text[: cells - 1] + "…"
