"""The program's command line, checked: what to show, and where the figures go."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from netdash.commands.optional_values import with_values_joined
from netdash.commands.program_parser import program_parser
from netdash.errors import UsageError
from netdash.model.sanitize import sanitize
from netdash.model.select import InterfaceSelection
from netdash.model.units import Units
from netdash.options import VIEWS, Options, View
from netdash.services import service_port
from netdash.settings import Settings

if TYPE_CHECKING:
    from netdash.model.filter import Filter

Output = Literal["dashboard", "text", "json", "csv", "none"]


def parse_arguments(arguments: Sequence[str], settings: Settings | None = None) -> tuple[Options, Output]:
    """The options, and where the figures go. `settings`: what holds where the command line says nothing.

    Raises UsageError.
    """
    settings = settings or Settings()
    given = program_parser().parse_args(with_values_joined(arguments))
    _check_together(given)
    output = _output(given)
    options = Options(
        interfaces=InterfaceSelection((*given.interfaces, *given.interface)),
        delay_seconds=given.delay,
        count=given.count,
        view=given.view or _known_view(settings.view),
        numeric=given.numeric or not settings.names,
        units=Units(bits=(given.units or settings.units) == "bits", iec=given.iec or settings.iec),
        network_namespace=given.netns,
        read_file=given.read,
        from_moment=given.from_moment,
        to_moment=given.to_moment,
        follow=given.follow,
        log_path=given.log,
        log_max_bytes=given.log_max_size,
        log_max_age_seconds=given.log_max_age,
        prometheus=given.prometheus,
        local_nets=tuple(given.local_net),
        max_flows=given.max_flows,
        capture_filter=_capture_filter(given.capture_filter, given.read),
        row_filter=_row_filter(given.filter, given.view, output, numeric=given.numeric),
        ascii_only=given.ascii or settings.ascii,
        mouse=settings.mouse and not given.no_mouse,
        settings=replace(settings, profile=given.keys or settings.profile, theme=given.theme or settings.theme),
    )
    return options, output


def _check_together(given: argparse.Namespace) -> None:
    """What is right by itself but not beside the rest. Raises UsageError."""
    if given.csv and given.view is None:
        raise UsageError(f"--csv writes one table: add --view {'|'.join(VIEWS)}")
    file_only = {"--from": given.from_moment, "--to": given.to_moment, "--local-net": given.local_net}
    file_only["--follow"] = given.follow
    wrong = [name for name, value in file_only.items() if value] if given.read is None else []
    if wrong:
        raise UsageError(f"{wrong[0]} is for a file: add -r FILE")
    if given.read is not None and given.log is not None:
        raise UsageError("--log records the live system: leave it out with -r")
    if given.read is not None and given.prometheus is not None:
        raise UsageError("--prometheus tells of the live system: leave it out with -r")
    if given.read is not None and given.netns is not None:
        raise UsageError("--netns is for the live system: leave it out with -r")


def _output(given: argparse.Namespace) -> Output:
    if given.json or given.csv or given.text:
        return "json" if given.json else "csv" if given.csv else "text"
    works_without = given.log is not None or given.prometheus is not None
    if given.quiet and not works_without:
        raise UsageError("--quiet writes nothing: add --log or --prometheus")
    if given.quiet:
        return "none"
    if given.count is not None:
        return "none" if works_without else "text"
    return "dashboard"


def _known_view(name: str | None) -> View | None:
    return next((view for view in VIEWS if view == name), None)


def _capture_filter(expression: str | None, file: str | None) -> str | None:
    """Compiled here only to tell a wrong one before anything starts."""
    if expression is None:
        return None
    if file is not None:
        raise UsageError("--capture-filter chooses live packets; with -r use --filter")
    from netdash.kernel.capture_filter import compile_capture_filter

    compile_capture_filter(expression)
    return expression


def _row_filter(text: str | None, view: View | None, output: Output, *, numeric: bool) -> Filter | None:
    if text is None:
        return None
    from netdash.model.filter import FilterError, parse_filter

    try:
        chosen = parse_filter(text, service_port)
    except FilterError as error:
        raise UsageError(f"--filter: {sanitize(error.message, 400)}") from error
    if output != "dashboard" and view in ("interfaces", "protocols"):
        raise UsageError(f"--filter does not apply to --view {view}, which stays whole; name the interfaces instead")
    if numeric and chosen.wants_host_names:
        raise UsageError("--filter asks for a host by name, and -n looks up none; leave out -n or give its address")
    return chosen
