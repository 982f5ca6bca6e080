"""What is known of one interface beside its rates, as one line."""

from __future__ import annotations

from netdash.model.units import Units
from netdash.ui.theme import Tone
from netdash.ui.views.interface_rows import InterfaceRow
from netdash.ui.widgets.text_line import Part


def facts(row: InterfaceRow | None, units: Units, span: str) -> tuple[list[Part], list[Part]]:
    """The parts at the left and at the right. What goes wrong now comes before what is always so."""
    if row is None:
        return [], []
    interface = row.interface
    parts: list[Part] = [(f" {interface.name} ", Tone.ACCENT), f" {interface.state}, {interface.kind}"]
    if interface.speed_bps is not None:
        parts.append(f", {units.speed(interface.speed_bps)}/s")
    if interface.mtu:
        parts.append(f", mtu {interface.mtu}")
    if interface.master is not None:
        parts.append(f", in {interface.master}")
    elif interface.parent is not None:
        parts.append(f", on {interface.parent}")
    now = [
        f"{mark} {number} {word}"
        for mark, number, word in (
            ("▼", interface.rx_errors, "errors"),
            ("▲", interface.tx_errors, "errors"),
            ("▼", interface.rx_dropped, "dropped"),
            ("▲", interface.tx_dropped, "dropped"),
            ("", interface.collisions, "collisions"),
        )
        if number
    ]
    if now:
        parts.append((f"  ! now {', '.join(now)}", Tone.BAD))
    if interface.addresses:
        parts.append((f"  {'  '.join(interface.addresses)}", Tone.NORMAL))
    if interface.mac is not None:
        parts.append((f"  {interface.mac}", Tone.DIM))
    shown = f"graph {span}, figures" if span else ""
    return parts, [(f" {shown} since the start ".replace("  ", " "), Tone.DIM)]
