"""`--prometheus [ADDRESS:PORT]`: what it may be, and whether metrics can be served there."""

from __future__ import annotations

import argparse
import socket
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Final

from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize
from netdash.options import Endpoint

DEFAULT: Final = Endpoint("127.0.0.1", 9824)
_MAX_PORT: Final = 65_535


def endpoint(text: str) -> Endpoint:
    """A type of argparse: "", "9825", "0.0.0.0:9824", "[::1]:9824", "localhost:9824"."""
    if not text:
        return DEFAULT
    address, _, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1
    if address in ("", "localhost"):
        address = DEFAULT.address
    elif address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    try:
        known = str(ip_address(address))
    except ValueError:
        known = ""
    if not known or not 0 <= number <= _MAX_PORT or (":" in known and "[" not in text):
        raise argparse.ArgumentTypeError(
            f"'{sanitize(text, 64)}' is no address and port such as {DEFAULT}, [::1]:{DEFAULT.port} or {DEFAULT.port}"
        )
    return Endpoint(known, number)


def check_endpoint(wanted: Endpoint) -> None:
    """Before anything starts. Raises NetdashError where the library is missing or the port cannot be had."""
    if find_spec("prometheus_client") is None:
        raise NetdashError(
            "--prometheus needs prometheus_client, which is not installed: pip install 'netdash[prometheus]'"
        )
    family = socket.AF_INET6 if ":" in wanted.address else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((wanted.address, wanted.port))
            # Two may bind one address with SO_REUSEADDR, but not listen there.
            tried.listen(1)
    except OSError as error:
        raise NetdashError(wanted.refused(error)) from error
