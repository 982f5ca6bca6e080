"""Makes the pictures of the README from the running program: `python -m screenshots.make [NAME ...]` (root, Chromium).

Two network namespaces, real processes with real traffic between them, the installed `netdash` in a pseudo-terminal.
Textual writes what is on the screen as SVG, Chromium makes PNG of it. Fonts: Fira Code, and DejaVu Sans Mono for
braille.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from pyroute2 import IPRoute

from netdash.kernel.namespaces import enter_network_namespace
from screenshots.traffic import PEERS
from tests.e2e.terminal import Terminal
from tests.namespaces import Lab, popen_in, run_in

HERE = Path(__file__).parent
COLUMNS, ROWS = 120, 32
WARM_UP_SECONDS = 28
SETTLE_MS, STEP_MS = 14_000, 2_000

SCENE = (
    ("tcp", "rsync", "873", "1", "180000", "0"),
    ("tcp", "nginx", "443", "14", "6000", "300"),
    ("tcp", "postgres", "5432", "6", "300", "9000"),
    ("tcp", "java", "8080", "9", "1500", "2500"),
    ("tcp", "redis-server", "6379", "4", "200", "700"),
    ("tcp", "sshd", "22", "1", "90", "120"),
    ("udp", "unbound", "53", "60"),
    ("udp", "wireguard-go", "4500", "1200"),
)

PICTURES = {
    "interfaces": "1",
    "flows": "2",
    "processes": "3",
    "sockets": "4",
    "protocols": "5",
    "stations": "5,m",
    # From the view of processes down to the packets of the connection that moves most: three keys.
    "drill-1-flows": f"3,wait:{SETTLE_MS},enter",
    "drill-2-connection": f"3,wait:{SETTLE_MS},enter,wait:{STEP_MS},enter",
    "drill-3-packets": f"3,wait:{SETTLE_MS},enter,wait:{STEP_MS},enter,wait:{STEP_MS},enter",
    "filter": "2,slash,p,o,r,t,colon,4,4,3,enter",
    "past": f"2,wait:{SETTLE_MS},space,left,left,left,left,left",
}
"""By name of the file, the keys that lead to what it shows (Textual's `TEXTUAL_PRESS`)."""


def main() -> int:
    """Writes one PNG per entry of PICTURES beside this file, or of those that are named."""
    pictures = {name: keys for name, keys in PICTURES.items() if name in sys.argv[1:] or not sys.argv[1:]}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    program = Path(sys.executable).parent / "netdash"
    if chromium is None or not program.exists():
        print("needs Chromium, and netdash installed beside this Python", file=sys.stderr)
        return 1
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        run_in(lab.b.namespace, lambda: _add_addresses(lab))
        run_in(lab.a.namespace, lambda: _add_neighbours(lab))
        for namespace, arguments in ((lab.b.namespace, ("serve",)), *((lab.a.namespace, one) for one in SCENE)):
            _start_traffic(namespace, arguments)
        time.sleep(2)
        shots = [_start(program, lab, Path(folder), name, keys) for name, keys in pictures.items()]
        with ExitStack() as terminals:
            running = [(name, terminals.enter_context(terminal)) for name, terminal in shots]
            for _, terminal in running:
                terminal.wait_for_end()
        for name in pictures:
            _to_png(chromium, Path(folder) / f"{name}.svg", HERE / f"{name}.png")
            print(HERE / f"{name}.png")
    return 0


def _start_traffic(namespace: str, arguments: tuple[str, ...]) -> None:
    """A process that ends with its namespace. The pictures show its command line: no path of this machine in it."""
    popen_in(
        namespace,
        ["python3", "-m", "screenshots.traffic", *arguments],
        executable=sys.executable,
        env=os.environ | {"PYTHONPATH": str(HERE.parent)},
    )


def _add_addresses(lab: Lab) -> None:
    with IPRoute() as route:
        for peer in PEERS[1:]:
            route.addr("add", index=lab.b.index, address=peer, prefixlen=24)


def _add_neighbours(lab: Lab) -> None:
    with IPRoute() as route:
        for peer in PEERS[1:]:
            route.neigh("add", dst=peer, lladdr=lab.b.mac, ifindex=lab.a.index, state=128)


def _start(program: Path, lab: Lab, folder: Path, name: str, keys: str) -> tuple[str, Terminal]:
    environment = {
        "COLORTERM": "truecolor",
        "TEXTUAL_PRESS": keys,
        "TEXTUAL_SCREENSHOT": str(WARM_UP_SECONDS),
        "TEXTUAL_SCREENSHOT_LOCATION": str(folder),
        "TEXTUAL_SCREENSHOT_FILENAME": f"{name}.svg",
    }
    command = [str(program), "-n"]
    namespace = lab.a.namespace
    return name, Terminal(
        command, COLUMNS, ROWS, environment, lambda: enter_network_namespace(namespace), patience_seconds=90
    )


def _to_png(chromium: str, svg: Path, png: Path) -> None:
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text())
    assert box is not None
    subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--default-background-color=00000000",
            f"--window-size={round(float(box[1]))},{round(float(box[2]))}",
            f"--screenshot={png}",
            svg.as_uri(),
        ],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    sys.exit(main())
