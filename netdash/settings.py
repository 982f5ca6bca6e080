"""What a user keeps in `netdash.toml`: keys, columns, units and looks of the dashboard. Never raises for a bad file.

Headless output takes nothing from it: what a script gets must not depend on who runs it.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize

KEY_PROFILES: Final = ("default", "iftop", "nethogs", "vim")
THEMES: Final = ("dark", "light", "contrast", "mono")
UNITS: Final = ("bits", "bytes")

MAX_FILE_BYTES: Final = 65_536
_MAX_PROBLEMS: Final = 8
_MAX_ENTRIES: Final = 512
"""Keys and columns of one table that are taken."""

_HEADING: Final = """\
# Written by netdash (Ctrl+S, or "Save settings" in the command palette). The version before is in netdash.toml~.
# Everything is optional; the command line goes first.
#
# units = "bits" | "bytes"    iec = true: prefixes of 1024    names, services: names instead of numbers
# theme = "dark" | "light" | "contrast" | "mono"
# [keys] profile = "default" | "iftop" | "nethogs" | "vim"; "flows.sort_port" = "P,ctrl+p" sets the keys of one action,
#        "" takes them away; `?` in the dashboard shows every key, the command palette every action
# [columns] flows = ["interface"] hides columns of a view
"""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Settings:
    """The file's content; the defaults are those of the program."""

    units: str = "bits"
    iec: bool = False
    names: bool = True
    services: bool = False
    theme: str = "dark"
    ascii: bool = False
    mouse: bool = True
    view: str | None = None
    """The view that is shown first; None = the first one."""
    profile: str = "default"
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by the name of their action ("flows.sort_port"), over those of the profile."""
    hidden_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys of columns by the name of their view."""
    problems: tuple[str, ...] = ()
    """What could not be taken from the file, a line each, to be shown as notes."""


def settings_path() -> Path:
    """`netdash/netdash.toml` in the user's configuration directory (XDG Base Directory Specification).

    The user is who the program runs as by now: after sudo the one that called it, whose home is not in HOME.
    """
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if os.environ.get("SUDO_UID") or not os.path.isabs(base):
        base = os.path.join(_home(), ".config")
    return Path(base) / "netdash" / "netdash.toml"


def _home() -> str:
    with suppress(KeyError):
        if os.environ.get("SUDO_UID"):
            return pwd.getpwuid(os.getuid()).pw_dir
    return os.path.expanduser("~")


def load_settings(path: Path) -> Settings:
    """The settings in `path`; the defaults where there is no such file, or for each part that is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        return Settings(problems=(f"{sanitize(str(path), 128)} cannot be read: {error.strerror}; defaults are used",))
    return parse_settings(data)


def parse_settings(data: bytes) -> Settings:
    """The settings of a file's bytes; what is wrong is in `problems` and left at its default."""
    # Here, not above: `netdash --help` needs no parser.
    import tomllib

    if len(data) > MAX_FILE_BYTES:
        return Settings(problems=(f"netdash.toml is larger than {MAX_FILE_BYTES} bytes; defaults are used",))
    try:
        content = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return Settings(problems=(f"netdash.toml is no TOML: {sanitize(str(error), 120)}; defaults are used",))
    return _Reader(content).settings()


class _Reader:
    """Takes what is right out of a TOML document and says what is not."""

    def __init__(self, content: dict[str, object]) -> None:
        self._content = content
        self._problems: list[str] = []

    def settings(self) -> Settings:
        defaults = Settings()
        keys = self._table("keys")
        profile = self._one_of(keys, "profile", KEY_PROFILES, defaults.profile)
        found = Settings(
            units=self._one_of(self._content, "units", UNITS, defaults.units),
            iec=self._flag("iec", defaults.iec),
            names=self._flag("names", defaults.names),
            services=self._flag("services", defaults.services),
            theme=self._one_of(self._content, "theme", THEMES, defaults.theme),
            ascii=self._flag("ascii", defaults.ascii),
            mouse=self._flag("mouse", defaults.mouse),
            view=self._take(self._content, "view", lambda v: v if isinstance(v, str) else None, defaults.view),
            profile=profile,
            keys=self._entries(keys, lambda value: value if isinstance(value, str) else None),
            hidden_columns=self._entries(self._table("columns"), _names),
        )
        for name in self._content:
            self._tell(f"{name} is no setting")
        return replace(found, problems=tuple(self._problems[:_MAX_PROBLEMS]))

    def _tell(self, text: str) -> None:
        self._problems.append(sanitize(f"netdash.toml: {text}; ignored", 160))

    def _table(self, name: str) -> dict[str, object]:
        table = self._content.pop(name, {})
        if isinstance(table, dict):
            return dict(table)
        self._tell(f"{name} is no table")
        return {}

    def _take(
        self, table: dict[str, object], name: str, check: Callable[[object], _Value | None], default: _Value
    ) -> _Value:
        if name not in table:
            return default
        value = table.pop(name)
        checked = check(value)
        if checked is None:
            self._tell(f"{name} = {value!r} is not possible")
            return default
        return checked

    def _one_of(self, table: dict[str, object], name: str, allowed: tuple[str, ...], default: str) -> str:
        def check(value: object) -> str | None:
            return value if isinstance(value, str) and value in allowed else None

        return self._take(table, name, check, default)

    def _flag(self, name: str, default: bool) -> bool:
        return self._take(self._content, name, lambda value: value if isinstance(value, bool) else None, default)

    def _entries(self, table: dict[str, object], check: Callable[[object], _Value | None]) -> dict[str, _Value]:
        entries: dict[str, _Value] = {}
        for name, value in list(table.items())[:_MAX_ENTRIES]:
            checked = check(value)
            if checked is None:
                self._tell(f"{name} = {value!r} is not possible")
            else:
                entries[name] = checked
        return entries


def _names(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(each for each in value if isinstance(each, str))[:_MAX_ENTRIES]


def settings_text(settings: Settings) -> str:
    """The file for `settings`; what is as by default is left out."""
    defaults = Settings()
    lines = [_HEADING]
    for name in ("units", "iec", "names", "services", "theme", "ascii", "mouse", "view"):
        value = getattr(settings, name)
        if value != getattr(defaults, name):
            lines.append(f"{name} = {_literal(value)}\n")
    if settings.profile != defaults.profile or settings.keys:
        lines.append(f"\n[keys]\nprofile = {_literal(settings.profile)}\n")
        lines += [f"{_literal(name)} = {_literal(key)}\n" for name, key in sorted(settings.keys.items())]
    hidden = {view: names for view, names in sorted(settings.hidden_columns.items()) if names}
    if hidden:
        lines.append("\n[columns]\n")
        lines += [f"{_literal(view)} = [{', '.join(map(_literal, names))}]\n" for view, names in hidden.items()]
    return "".join(lines)


def _literal(value: object) -> str:
    import json

    # A JSON string without escaped surrogates or slashes is a TOML basic string (TOML 1.0), but DEL must be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def save_settings(settings: Settings, path: Path) -> None:
    """Writes the file in one step; the one before becomes `netdash.toml~`. Raises NetdashError."""
    import tempfile

    text = settings_text(settings)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".netdash-", delete=False) as file:
            file.write(text)
        with suppress(FileNotFoundError):
            path.replace(path.with_name(path.name + "~"))
        os.replace(file.name, path)
    except OSError as error:
        raise NetdashError(f"settings not saved: {error.strerror}: {sanitize(str(path), 128)}") from error
