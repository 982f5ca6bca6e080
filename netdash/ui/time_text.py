"""Where in time the screen is, in words for the header line."""

from __future__ import annotations

import time

from netdash.model.moments import span_text
from netdash.ui.playback import Player


def place_texts(player: Player) -> tuple[str, ...]:
    """What says that this is not now, the longest wording first; () where it is now and live."""
    if not player.ready or (player.live and player.following):
        return ()
    local = time.localtime(player.moment)
    clock = time.strftime("%H:%M:%S", local)
    if player.live:
        mark = "PAUSED" if not player.playing else _playing(player)
        behind = f"{mark} {clock}  −{span_text(player.behind_seconds)}"
        return (behind + ", oldest" if player.at_first else behind,)
    mark = "RECORDING PAUSED" if not player.playing else f"RECORDING {_playing(player)}"
    place = " start" if player.at_first else " end" if player.at_last else ""
    return (
        f"{mark} {time.strftime('%Y-%m-%d', local)} {clock}{place}",
        f"{mark} {clock}{place}",
        f"{mark.removeprefix('RECORDING ')} {clock}{place}",
    )


def gap_text(player: Player) -> str:
    """For how long nothing was counted before what is shown, or by how much the clock was set back; else ""."""
    if not player.ready or (player.live and player.following):
        return ""
    gap = player.gap_seconds()
    if gap < 0:
        return f"clock set back {span_text(-gap)}"
    return f"gap {span_text(gap)}" if gap else ""


def _playing(player: Player) -> str:
    return "► follows" if player.following else f"► ×{player.speed}"
