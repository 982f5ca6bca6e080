"""What counting by process costs the traffic itself: the same load with and without netdash, by turns."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.headless import NETDASH
from bench.lines import LineProcess
from bench.processes import await_file_line, end, spawn
from bench.report import Table
from bench.setting import Setting
from netdash.collector.process import REFUSE_VARIABLE

_WITHOUT: Final = "without netdash"
_KINDS: Final = {"stream": ("TCP stream", 8e-9, "Gbit/s"), "datagrams": ("UDP, 1,200 bytes each", 1e-3, "k/s")}
"""Load -> its name, factor and unit."""


def measure_slowdown(setting: Setting, layers: Mapping[str, str]) -> Table:
    """Throughput over a veth pair, medians of turns that alternate; `layers`: name -> what netdash is refused."""
    rounds = setting.pick(5, 2)
    rows: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        a, b = setting.lab.a, setting.lab.b
        receiver = stack.enter_context(
            LineProcess("bench.throughput", "receive", b.ipv4, namespace=b.namespace, cpu=setting.cpu)
        )
        port = receiver.read().decode().strip()
        for kind, (name, factor, unit) in _KINDS.items():
            arguments = ("send", b.ipv4, port, kind)
            with LineProcess(
                "bench.throughput", *arguments, namespace=a.namespace, cpu=setting.generator.cpu
            ) as sender:
                sender.read()
                sender.order()  # warms up
                sent: dict[str, list[float]] = {}
                cost: dict[str, list[float]] = {}
                for _ in range(rounds):
                    for layer in (_WITHOUT, *layers):
                        with _netdash(setting, None if layer == _WITHOUT else layers[layer]):
                            amount, cpu = map(float, sender.order().split())
                        sent.setdefault(layer, []).append(amount)
                        cost.setdefault(layer, []).append(cpu / amount)
            base = median(sent[_WITHOUT]), median(cost[_WITHOUT])
            rows += [
                (
                    name,
                    layer,
                    f"{median(amounts) * factor:.2f} {unit}",
                    f"{median(amounts) / base[0]:.2f}x",
                    f"{median(cost[layer]) / base[1]:.2f}x",
                )
                for layer, amounts in sent.items()
            ]
    columns = ("load", "netdash", "throughput", "ratio", "sender's CPU for each byte or datagram")
    return Table(f"The same load with and without netdash, medians of {rounds} turns of a second", columns, rows)


@contextmanager
def _netdash(setting: Setting, refuse: str | None) -> Iterator[None]:
    """`netdash --json` running beside, without the layers `refuse`; None: nothing runs."""
    if refuse is None:
        yield
        return
    with TemporaryDirectory() as directory:
        output = Path(directory, "output")
        with output.open("wb") as file:
            process = spawn(
                [*NETDASH, "--json"],
                cpu=setting.cpu,
                namespace=setting.lab.a.namespace,
                stdout=file,
                environment={REFUSE_VARIABLE: refuse},
            )
        try:
            await_file_line(output, process)
            yield
        finally:
            end(process, signal.SIGINT)
