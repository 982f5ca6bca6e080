"""The keys of the Flows view."""

from __future__ import annotations

from typing import Final

from netdash.ui.keymap import KeyBinding

FLOW_KEYS: Final[tuple[KeyBinding, ...]] = (
    KeyBinding("flows.open", "enter", "open", "open", "Go to the connection; of a joined row to its flows"),
    KeyBinding("flows.names", "n", "names", "names", "Host names or addresses"),
    KeyBinding("flows.sort_rate", "r", "sort_rate", "rate", "Sort by rate; again: the next of 2, 10, 40 s"),
    KeyBinding("flows.sort_2s", "", "sort_window(0)", "", "Sort by the rate of 2 seconds"),
    KeyBinding("flows.sort_10s", "", "sort_window(1)", "", "Sort by the rate of 10 seconds"),
    KeyBinding("flows.sort_40s", "", "sort_window(2)", "", "Sort by the rate of 40 seconds"),
    KeyBinding("flows.sort_port", "P", "sort('port')", "port", "Sort by the lower port, mostly the service"),
    KeyBinding("flows.sort_source", "S", "sort('local')", "source", "Sort by the local (source) address"),
    KeyBinding("flows.sort_destination", "D", "sort('remote')", "dest", "Sort by the remote (destination) address"),
    KeyBinding("flows.sort_total", "T", "sort('total')", "total", "Sort by bytes since the start; silent ones too"),
    KeyBinding("flows.sort_packets", "", "sort('packets')", "", "Sort by packets since the start; silent ones too"),
    KeyBinding("flows.group", "a", "group", "group", "A row for each flow, remote host, network (/24, /64), port"),
    KeyBinding("flows.lines", "t", "lines", "lines", "Two lines a flow, their sum, sent only, received only"),
    KeyBinding("flows.freeze", "o", "freeze", "freeze", "Freeze the order; new flows are put at the end"),
    KeyBinding("flows.reverse", "R", "reverse", "", "Reverse the order"),
    KeyBinding("flows.bars", "b", "bars", "", "Bars on or off"),
    KeyBinding("flows.bar_window", "B", "bar_window", "", "Bars show the rate of 2, 10 or 40 s"),
    KeyBinding("flows.log", "L", "log", "", "Bars linear or logarithmic"),
    KeyBinding("flows.ports", "p", "apart('ports')", "", "Ports shown, or flows joined by their hosts"),
    KeyBinding("flows.local", "s", "apart('local')", "", "Local (source) ends shown, or joined"),
    KeyBinding("flows.remote", "d", "apart('remote')", "", "Remote (destination) ends shown, or joined"),
    KeyBinding("flows.packets", "v", "packets", "", "Packets of the scope and of what the filter shows, one by one"),
    KeyBinding("flows.services", "N", "services", "", "Names of services or numbers of ports"),
)
