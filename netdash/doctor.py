"""`netdash doctor`: the table of what works here, what does not, why, and the command that changes it."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import sys
import textwrap

from netdash.collector.doctor import Finding, diagnose
from netdash.model.sanitize import sanitize

_CAPABILITIES = ("net_raw", "bpf", "perfmon")


def report() -> str:
    """The whole text."""
    findings = diagnose()
    lines = [f"netdash on Linux {sanitize(platform.release(), 64)} ({platform.machine()}), as {_user()}", ""]
    for kind in ("flows", "processes"):
        lines += _table(kind, [f for f in findings if f.kind == kind])
    best = [next(f.layer for f in findings if f.kind == kind and f.works) for kind in ("flows", "processes")]
    lines.append(f"netdash would run with: {'/'.join(best)}")
    if best != ["ebpf", "exact"]:
        lines += ["", "To have all of it:", *(f"  {command}" for command in _commands())]
    return "\n".join(lines) + "\n"


def _table(kind: str, findings: list[Finding]) -> list[str]:
    lines = [f"{kind}:"]
    used = False
    for finding in findings:
        mark = "works" if finding.works else "no"
        star = "*" if finding.works and not used else " "
        used = used or finding.works
        lines.append(f" {star} {finding.layer:8} {mark:6} {finding.gives}")
        lines += textwrap.wrap(finding.reason, 96, initial_indent=" " * 19, subsequent_indent=" " * 19)
    return [*lines, ""]


def _commands() -> list[str]:
    program = shutil.which(sys.argv[0]) or "netdash"
    plus = ",".join(f"+{name}" for name in _CAPABILITIES)
    ambient = " ".join(f"CAP_{name.upper()}" for name in _CAPABILITIES)
    return [
        f"sudo {program}",
        "or, with these capabilities alone and never as root:",
        f"sudo setpriv --reuid {_user()} --init-groups --inh-caps {plus} --ambient-caps {plus} {program}",
        f"or, as a service of systemd: User={_user()}, AmbientCapabilities={ambient}",
    ]


def _user() -> str:
    try:
        return sanitize(getpass.getuser(), 32)
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
