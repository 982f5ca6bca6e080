"""Writes the packets of the page to a capture file: asks for the name, works in a thread, tells how it went."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from netdash.errors import NetdashError
from netdash.model.packet_comment import ProcessNote
from netdash.model.packets import WatchedPacket
from netdash.packets.pcapng import write_pcapng
from netdash.ui.file_prompt import ChosenFile, FilePrompt
from netdash.ui.view import View

Owners = Callable[[WatchedPacket], ProcessNote | None]


def ask_and_write(view: View, packets: Sequence[WatchedPacket], interfaces: Mapping[int, str], owners: Owners) -> None:
    """`interfaces`: names by index; `owners`: whose a packet is. What is to be told, `view` tells as a notice."""
    if not packets:
        view.post_message(View.Notice("no packet to write"))
        return

    def take(chosen: ChosenFile | None) -> None:
        if chosen is not None:
            view.post_message(View.Notice(f"writing {len(packets):,} packets to {chosen.path}"))
            write = partial(write_pcapng, chosen.path, packets, interfaces, owners, replace=chosen.replace)
            view.run_worker(_write(view, write, chosen.path), group="packet-file")

    prompt = FilePrompt(f"{len(packets):,} packets", time.strftime("netdash-%Y%m%d-%H%M%S.pcapng"))
    view.app.push_screen(prompt, take)


async def _write(view: View, write: Callable[[], int], path: Path) -> None:
    """Runs beside the screen and touches no widget."""
    try:
        count = await asyncio.to_thread(write)
    except NetdashError as error:
        view.post_message(View.Notice(str(error)))
    else:
        view.post_message(View.Notice(f"{count:,} packets written to {path}"))
