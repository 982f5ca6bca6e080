"""Runs scenarios: names as arguments, all by default; a `Place` as JSON on stdin.

Every scenario runs in a process of its own named after it, and one JSON object a line tells what its processes moved,
or why it did not run. Those that take their time run beside the others. Needs the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Final

from tests.integration.scenarios import processes, protocols, ways
from tests.integration.scenarios.common import Moved, Place, UnsupportedError, set_name

SLOW: Final = (ways.splice, ways.long_lived, ways.drip)
SCENARIOS: Final = (
    protocols.tcp_up,
    protocols.tcp_down,
    protocols.tcp_both,
    protocols.tcp_ipv6,
    protocols.udp_connected,
    protocols.udp_unconnected,
    protocols.udp_ipv6,
    protocols.udp_ipv6_unconnected,
    protocols.dns,
    protocols.icmp_echo,
    protocols.raw_protocol,
    protocols.sctp,
    protocols.frames,
    ways.sendfile,
    ways.many_messages,
    ways.io_uring,
    ways.sixty_connections,
    ways.thirty_at_once,
    processes.twenty_processes,
    ways.thousand_processes,
    processes.loopback,
    processes.container,
    processes.forked,
    processes.passed,
    processes.reuse_port_tcp,
    processes.reuse_port_udp,
)
NAMES: Final = tuple(function.__name__ for function in (*SLOW, *SCENARIOS))


def start(function: Callable[[Place], list[Moved]], place: Place) -> Callable[[], dict[str, object]]:
    """Runs a scenario in a process of its own; what comes back waits for it to end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        set_name(f"nd-{function.__name__}")
        result: dict[str, object] = {"name": function.__name__, "moved": [], "skipped": None, "failed": None}
        try:
            result["moved"] = function(place)
        except UnsupportedError as error:
            result["skipped"] = str(error)
        except (OSError, RuntimeError, ValueError, AssertionError) as error:
            result["failed"] = repr(error)
        with os.fdopen(writing, "w") as pipe:
            json.dump(result, pipe)
        os._exit(0)
    os.close(writing)

    def wait() -> dict[str, object]:
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        answer: dict[str, object] = json.loads(text)
        return answer

    return wait


def tell(result: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main() -> None:
    place = Place(*json.load(sys.stdin))
    chosen = sys.argv[1:] or NAMES
    waiting = [start(function, place) for function in SLOW if function.__name__ in chosen]
    for function in SCENARIOS:
        if function.__name__ in chosen:
            tell(start(function, place)())
    for wait in waiting:
        tell(wait())


if __name__ == "__main__":
    main()
