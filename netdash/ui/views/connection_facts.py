"""What is known of one connection, line by line: its socket's health, its process, where it crosses, its age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from netdash.model.history import SocketFigures, Trouble
from netdash.model.protocols import TCP, state_name, tcp_flag_names
from netdash.model.tables import UNKNOWN, Attribution
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.flow_text import (
    Labels,
    attribution_of,
    flow_end,
    how_text,
    message_text,
    protocol_text,
    vlan_text,
)
from netdash.ui.views.socket_detail import held_back_pairs, timing_pairs, trouble_text
from netdash.ui.views.socket_table import time_text
from netdash.ui.widgets.text_line import Part, cells_of

if TYPE_CHECKING:
    from netdash.model.snapshot import Process

_LABEL_CELLS: Final = 11
_END_CELLS: Final = 60
_GAP_CELLS: Final = 3
"""Behind a figure, before the next."""
_MAX_CROSSINGS: Final = 4
_NOT_COUNTED: Final = "this kind of socket has no counters of its own"


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """The connection on one interface."""

    flow: np.void
    """FLOW_ROW, as it was in the last interval with traffic."""
    rates: tuple[float, float]
    """Bytes per second received and sent, mean of 2 seconds."""
    totals: tuple[int, int]
    packets: tuple[int, int] = (0, 0)
    """Since the start; of payload nothing is known of them."""


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionLook:
    """All that the page tells, of one moment."""

    crossings: Sequence[Crossing]
    """The one that was chosen first; never empty."""
    tcp_flags: int
    first_seen: float
    """Wall clock, seconds."""
    last_seen: float
    now: float
    process: Process | None
    sockets: SocketFigures
    socket: int | None
    """Its row in `sockets`; None: it has none here."""
    payload: bool
    """Whether the bytes are payload."""

    @property
    def flow(self) -> np.void:
        """The flow that was chosen."""
        return self.crossings[0].flow


def fact_lines(look: ConnectionLook, labels: Labels, units: Units, width: int) -> list[list[Part]]:
    """All lines, the most important first; figures that have no room in `width` cells go on in the next line."""
    return [
        _ends(look, labels),
        _moved(look, units),
        *_health(look, units, width),
        *_process(look, labels),
        *_crossings(look, labels, units),
        _seen(look),
    ]


def _line(label: str, parts: Sequence[Part]) -> list[Part]:
    return [(f" {label:<{_LABEL_CELLS}}", Tone.DIM), *parts]


def _named(pairs: Sequence[tuple[str, str]]) -> list[Part]:
    """Figures with their names before them."""
    parts: list[Part] = []
    for name, text in pairs:
        parts += [(f"{name} ", Tone.DIM), f"{text}   "]
    return parts


def _ends(look: ConnectionLook, labels: Labels) -> list[Part]:
    flow = look.flow
    extra = " ".join(filter(None, (message_text(flow), vlan_text(flow))))
    state = state_name(int(flow["protocol"]), int(flow["state"])) if int(flow["state"]) else None
    return [
        (f" {protocol_text(flow)} ", Tone.ACCENT),
        flow_end(flow, "local", labels, _END_CELLS),
        (" ↔ ", Tone.DIM),
        flow_end(flow, "remote", labels, _END_CELLS),
        (f"  {extra}" if extra else "", Tone.NORMAL),
        (f"  {state.replace('_', '-')}" if state else "", Tone.GOOD if state == "ESTABLISHED" else Tone.WARN),
    ]


def _moved(look: ConnectionLook, units: Units) -> list[Part]:
    crossing = look.crossings[0]
    (rx, tx), (rx_total, tx_total) = crossing.rates, crossing.totals
    return _line(
        "payload" if look.payload else "wire",
        [
            (f"▼ {units.rate_per_second(rx):<11}", Tone.RX),
            (f"▲ {units.rate_per_second(tx):<11}", Tone.TX),
            ("so far ", Tone.DIM),
            (f"▼ {units.volume(rx_total)}  ", Tone.RX),
            (f"▲ {units.volume(tx_total)}", Tone.TX),
        ],
    )


def _wrapped(label: str, pairs: Sequence[tuple[str, str]], width: int) -> list[list[Part]]:
    """Figures with their names, in as many lines as they need."""
    lines: list[list[tuple[str, str]]] = [[]]
    for pair in pairs:
        needed = cells_of(_line(label, _named([*lines[-1], pair]))) - _GAP_CELLS
        if lines[-1] and needed > width:
            lines.append([])
        lines[-1].append(pair)
    return [_line("" if number else label, _named(line)) for number, line in enumerate(lines)]


def _health(look: ConnectionLook, units: Units, width: int) -> list[list[Part]]:
    """Round trip, window, losses, queues and what limits it: tcp_info of <linux/tcp.h>."""
    if look.socket is None:
        return [_line("socket", [_why_no_socket(look)])]
    socket = look.sockets.sockets[look.socket]
    trouble = trouble_text(Trouble(int(look.sockets.trouble[look.socket])))
    lines = [_line("trouble", [(f"! {trouble}", Tone.BAD)])] if trouble else []
    queues = [("to read", units.volume(int(socket["rqueue"]))), ("to send", units.volume(int(socket["wqueue"])))]
    if int(socket["protocol"]) != TCP:
        drops = [("dropped by the socket", count(int(socket["drops"])))]
        return [*lines, _line("queues", _named(queues + drops)), _line("health", [(_NOT_COUNTED, Tone.DIM)])]
    if not int(socket["has_info"]):
        return [*lines, _line("queues", _named(queues))]
    return [*lines, *_wrapped("path", _path(socket), width), *_sending(look, socket, queues, units, width)]


def _path(socket: np.void) -> list[tuple[str, str]]:
    deviation = int(socket["rttvar_us"])
    rtt = time_text(int(socket["rtt_us"])) + (f" ± {time_text(deviation)}" if deviation else "")
    return [
        ("round trip", rtt),
        ("least", time_text(int(socket["min_rtt_us"]))),
        ("window", f"{count(int(socket['cwnd']))} × {int(socket['mss'])} B"),
        ("in flight", count(int(socket["unacked"]))),
    ]


def _sending(
    look: ConnectionLook, socket: np.void, queues: list[tuple[str, str]], units: Units, width: int
) -> list[list[Part]]:
    assert look.socket is not None
    new = int(look.sockets.new_retransmits[look.socket])
    again = f"{count(int(socket['retransmits']))} segments" + (f", {count(new)} now" if new > 0 else "")
    delivery = int(socket["delivery_rate_bytes"])
    losses = [("sent again", f"{again}, {units.volume(int(socket['resent_bytes']))}")]
    losses.append(("lost now", count(int(socket["lost"]))))
    segments = (count(int(socket["segments_in"])), count(int(socket["segments_out"])))
    losses.append(("segments", f"▼ {segments[0]} ▲ {segments[1]}"))
    if int(socket["not_sent_bytes"]):
        queues = [*queues, ("not sent yet", units.volume(int(socket["not_sent_bytes"])))]
    speed = [("delivers", units.rate_per_second(delivery))] if delivery else []
    return [
        *_wrapped("timing", timing_pairs(socket, units), width),
        *_wrapped("losses", losses, width),
        *_wrapped("queues", [*queues, *speed], width),
        *([_line("limited by", [limit_text(socket)])] if delivery else []),
        *(_wrapped("held back", held, width) if (held := held_back_pairs(socket)) else []),
    ]


def limit_text(socket: np.void) -> str:
    """What holds the sender back now, as far as its figures tell."""
    cwnd_bytes = int(socket["cwnd"]) * int(socket["mss"])
    if int(socket["unacked"]) == 0 and int(socket["wqueue"]) == 0:
        return "the process: nothing waits to be sent"
    if int(socket["unacked"]) >= int(socket["cwnd"]):
        return f"the network: the congestion window of {Units().volume(cwnd_bytes)} is full"
    if int(socket["wqueue"]) > int(socket["unacked"]) * int(socket["mss"]):
        return "the receiver's window, pacing, small writes: congestion window open"
    return "nothing: all that was sent is under way"


def _why_no_socket(look: ConnectionLook) -> Part:
    how = attribution_of(look.flow)
    if how is Attribution.FORWARDED:
        return "none here: this host passes the traffic on", Tone.DIM
    if how is Attribution.KERNEL:
        return "the kernel's own", Tone.DIM
    return "closed, or in another network namespace", Tone.DIM


def _process(look: ConnectionLook, labels: Labels) -> list[list[Part]]:
    process = look.process
    pid = int(look.flow["pid"])
    if process is None:
        words = how_text(look.flow) if pid == UNKNOWN else labels.process_now(pid)
        return [_line("process", [(words or "several", Tone.NORMAL)])]
    where = [("user", process.user), ("unit", process.unit or ""), ("container", process.container or "")]
    lines = [
        _line(
            "process",
            [
                (f"{process.name} ({process.pid})   ", Tone.ACCENT),
                *_named([(name, text) for name, text in where if text]),
                (f"{how_text(look.flow)}{', has ended' if process.exited else ''}", Tone.DIM),
            ],
        ),
        _line("command", [process.command or NOT_KNOWN]),
    ]
    if process.parents:
        chain = " ← ".join(f"{name} ({parent})" for parent, name in process.parents)
        lines.append(_line("started by", [chain]))
    return lines


def _crossings(look: ConnectionLook, labels: Labels, units: Units) -> list[list[Part]]:
    lines = []
    for index, crossing in enumerate(look.crossings[:_MAX_CROSSINGS]):
        rx, tx = crossing.rates
        parts: list[Part] = [
            f"{labels.interface(int(crossing.flow['ifindex'])):<12} ",
            (f"▼ {units.rate_per_second(rx):<11}", Tone.RX),
            (f"▲ {units.rate_per_second(tx):<11}", Tone.TX),
            (vlan_text(crossing.flow), Tone.DIM),
        ]
        lines.append(_line("crosses" if not index else "", parts))
    if len(look.crossings) > _MAX_CROSSINGS:
        lines.append(_line("", [(f"and {len(look.crossings) - _MAX_CROSSINGS} more interfaces", Tone.DIM)]))
    return lines


def _seen(look: ConnectionLook) -> list[Part]:
    pairs = [("for", span_text(look.last_seen - look.first_seen))]
    silent = look.now - look.last_seen
    if silent >= 2:
        pairs.append(("silent for", span_text(silent)))
    rx, tx = look.crossings[0].packets
    if not look.payload:
        pairs.append(("packets", f"▼ {count(rx)} ▲ {count(tx)}"))
    if int(look.flow["protocol"]) == TCP:
        pairs.append(("flags", " ".join(tcp_flag_names(look.tcp_flags)) or NOT_KNOWN))
    return _line("seen", _named(pairs))


def span_text(seconds: float) -> str:
    """A time span in its two largest units: "2 h 5 min", "14 s"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
