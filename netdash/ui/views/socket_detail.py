"""Everything about one socket in two lines: what is wrong in plain words, and the figures that a narrow table lacks."""

from __future__ import annotations

from typing import Final

import numpy as np

from netdash.model.history import SocketFigures, Trouble
from netdash.model.protocols import LISTEN, TCP, protocol_name, state_name
from netdash.model.tables import NO_SSTHRESH, SOCKET_TIMERS, UNKNOWN
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.flow_text import Labels
from netdash.ui.views.socket_choice import state_text
from netdash.ui.views.socket_table import socket_end, time_text, user_text
from netdash.ui.widgets.text_line import Part

_END_CELLS: Final = 47

_WORDS: Final[dict[Trouble, str]] = {
    Trouble.BACKLOG_FULL: "accept queue full, more are dropped: the server accepts too slowly",
    Trouble.DROPS: "datagrams dropped now: the process reads too slowly, or its buffer is small",
    Trouble.NO_ANSWER: "no answer to the SYN: host down, or a firewall drops it",
    Trouble.STALLED: "data waits but nothing is sent: the peer's window is closed, or the path is lost",
    Trouble.NOT_READ: "much data waits to be read: the process does not keep up",
    Trouble.RETRANSMITS: "segments sent again now: lost on the way",
}
"""The worst first; each at most 80 cells with what stands before it."""


def trouble_text(trouble: Trouble) -> str:
    """The worst of it in plain words; "" where there is none."""
    return next((words for flag, words in _WORDS.items() if trouble & flag), "")


def first_line(figures: SocketFigures, position: int, labels: Labels) -> list[Part]:
    """What is wrong with the socket; where nothing is, which one it is."""
    socket = figures.sockets[position]
    trouble = Trouble(int(figures.trouble[position]))
    if trouble:
        return [(f" ! {trouble_text(trouble)}", Tone.BAD)]
    protocol = int(socket["protocol"])
    state = state_text(state_name(protocol, int(socket["state"])) or NOT_KNOWN)
    pid = int(socket["pid"])
    owner = "no process known" if pid == UNKNOWN else labels.process_now(pid)
    ends = f"{socket_end(socket, 'local', labels, _END_CELLS)} → {socket_end(socket, 'remote', labels, _END_CELLS)}"
    if not any(socket["remote"].tobytes()):
        ends = socket_end(socket, "local", labels, _END_CELLS)
    return [(f" {protocol_name(protocol)} {state} ", Tone.ACCENT), f"{ends}  ", (owner, Tone.ACCENT)]


def second_line(figures: SocketFigures, position: int, labels: Labels, units: Units) -> list[Part]:
    """The figures, as `ss -tiem` has them."""
    socket = figures.sockets[position]
    user = user_text(socket, labels)
    user_name = user if isinstance(user, str) else user[0]
    if int(socket["protocol"]) == TCP and int(socket["state"]) == LISTEN:
        named = [("waiting", f"{int(socket['rqueue'])} of at most {int(socket['wqueue'])}"), ("user", user_name)]
    elif int(socket["has_info"]):
        named = [*_connection(socket, int(figures.new_retransmits[position]), units), ("user", user_name)]
        named += _amounts(socket, units)
    else:
        drops = [("drops", count(int(socket["drops"])))] if int(socket["protocol"]) != TCP else []
        named = [*drops, ("user", user_name)]
    if int(socket["ifindex"]):
        named.append(("on", labels.interface(int(socket["ifindex"]))))
    named.append(("inode", str(int(socket["inode"]))))
    parts: list[Part] = [" "]
    for name, text in named:
        parts += [(f"{name} ", Tone.DIM), f"{text}  "]
    return parts


def _connection(socket: np.void, new_retransmits: int, units: Units) -> list[tuple[str, str]]:
    """The health of a connection."""
    rtt, deviation = time_text(int(socket["rtt_us"])), int(socket["rttvar_us"])
    return [
        ("rtt", f"{rtt.removesuffix('ms')}±{time_text(deviation)}" if deviation and int(socket["rtt_us"]) else rtt),
        ("cwnd", count(int(socket["cwnd"]))),
        ("retr", count(int(socket["retransmits"])) + (f"+{count(new_retransmits)}" if new_retransmits > 0 else "")),
        ("lost", count(int(socket["lost"]))),
        ("delivery", units.rate(int(socket["delivery_rate_bytes"]) or None)),
    ]


def _amounts(socket: np.void, units: Units) -> list[tuple[str, str]]:
    """What a connection moved, and the figures that are looked at last."""
    rx, tx = (units.volume(int(socket[f"{side}_payload_total"])) for side in ("rx", "tx"))
    return [
        ("so far", f"▼{rx} ▲{tx}"),
        ("unacked", count(int(socket["unacked"]))),
        ("mss", str(int(socket["mss"]))),
        ("min rtt", time_text(int(socket["min_rtt_us"]))),
        *timing_pairs(socket, units),
    ]


def timing_pairs(socket: np.void, units: Units) -> list[tuple[str, str]]:
    """What ss -io tells of a connection's clock and its path: rto, ssthresh, pmtu, pacing_rate, timer."""
    pairs = [("rto", time_text(int(socket["rto_us"])))]
    threshold = int(socket["ssthresh"])
    if 0 < threshold < NO_SSTHRESH:
        pairs.append(("ssthresh", count(threshold)))
    pairs.append(("path MTU", str(int(socket["pmtu"])) if int(socket["pmtu"]) else NOT_KNOWN))
    if int(socket["pacing_rate_bytes"]):
        pairs.append(("pacing", units.rate_per_second(int(socket["pacing_rate_bytes"]))))
    return [*pairs, ("timer", timer_text(socket))]


def timer_text(socket: np.void) -> str:
    """Which timer runs, in the words of ss(8), and when it fires: "keepalive in 118 s"."""
    number = int(socket["timer"])
    if not number:
        return "none"
    name = SOCKET_TIMERS[number] if number < len(SOCKET_TIMERS) else f"kind {number}"
    seconds = int(socket["timer_ms"]) / 1000
    return f"{name} in {seconds:.0f} s" if seconds >= 10 else f"{name} in {seconds:.1f} s"


def held_back_pairs(socket: np.void) -> list[tuple[str, str]]:
    """Of the time with data to send, how much the receiver's window and the own send buffer held it back."""
    busy_us = int(socket["busy_us"])
    if not busy_us:
        return []
    shares = [
        (words, int(socket[name]) / busy_us)
        for words, name in (
            ("by the receiver's window", "rwnd_limited_us"),
            ("by the send buffer", "sndbuf_limited_us"),
        )
    ]
    held = [(words, f"{share:.0%}") for words, share in shares if share >= 0.005]
    busy = f"{busy_us / 1e3:.0f} ms" if busy_us < 10_000_000 else f"{busy_us / 1e6:.0f} s"
    return [("busy", busy), *(held or [("held back by buffers", "0%")])]
