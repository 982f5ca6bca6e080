"""netdash.toml: what is right is taken, what is wrong is told, and what was saved comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.commands.program_options import parse_arguments
from netdash.errors import NetdashError
from netdash.settings import (
    KEY_PROFILES,
    MAX_FILE_BYTES,
    THEMES,
    Settings,
    load_settings,
    parse_settings,
    save_settings,
    settings_path,
    settings_text,
)

_NAMES = st.text(min_size=1, max_size=20)


@given(
    st.builds(
        Settings,
        units=st.sampled_from(("bits", "bytes")),
        iec=st.booleans(),
        names=st.booleans(),
        services=st.booleans(),
        theme=st.sampled_from(THEMES),
        ascii=st.booleans(),
        mouse=st.booleans(),
        view=st.none() | st.sampled_from(("flows", "sockets")),
        profile=st.sampled_from(KEY_PROFILES),
        keys=st.dictionaries(_NAMES.filter(lambda name: name != "profile"), st.text(max_size=20), max_size=5),
        hidden_columns=st.dictionaries(_NAMES, st.lists(_NAMES, min_size=1, max_size=4).map(tuple), max_size=4),
    )
)
def test_what_is_written_is_read(settings: Settings) -> None:
    assert parse_settings(settings_text(settings).encode()) == settings


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_any_bytes_give_settings(data: bytes) -> None:
    settings = parse_settings(data)
    assert settings.theme in THEMES
    assert settings.profile in KEY_PROFILES
    assert all(problem.isprintable() for problem in settings.problems)


def test_a_wrong_part_is_told_and_the_rest_taken() -> None:
    settings = parse_settings(
        b'units = "bytes"\niec = 1\ntheme = "pink"\ncolour = "x"\n[keys]\nprofile = "emacs"\n'
        b'"flows.names" = "H"\n"flows.lines" = 3\n[columns]\nflows = "process"\nsockets = ["rtt"]\n'
    )
    assert settings.units == "bytes"
    assert settings.keys == {"flows.names": "H"}
    assert settings.hidden_columns == {"sockets": ("rtt",)}
    assert (settings.iec, settings.theme, settings.profile) == (False, "dark", "default")
    told = {problem.removeprefix("netdash.toml: ").removesuffix("; ignored") for problem in settings.problems}
    assert told == {
        "profile = 'emacs' is not possible",
        "theme = 'pink' is not possible",
        "iec = 1 is not possible",
        "flows.lines = 3 is not possible",
        "flows = 'process' is not possible",
        "colour is no setting",
    }


def test_files_that_are_none(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.toml") == Settings()
    assert "cannot be read" in load_settings(tmp_path).problems[0]
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert "larger than" in load_settings(large).problems[0]
    assert "no TOML" in parse_settings(b"\xff = 1").problems[0]


def test_saving_keeps_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "netdash.toml"
    save_settings(Settings(theme="light"), path)
    save_settings(Settings(theme="mono"), path)
    assert load_settings(path).theme == "mono"
    assert load_settings(path.with_name("netdash.toml~")).theme == "light"
    assert sorted(os.listdir(path.parent)) == ["netdash.toml", "netdash.toml~"]
    with pytest.raises(NetdashError, match="settings not saved: "):
        save_settings(Settings(), path / "below" / "a-file")


def test_the_path_is_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path() == tmp_path / "netdash" / "netdash.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_path() == tmp_path / ".config" / "netdash" / "netdash.toml"


def test_the_command_line_goes_first() -> None:
    settings = Settings(units="bytes", iec=True, names=False, theme="light", profile="vim", view="flows", mouse=False)
    options, _ = parse_arguments([], settings)
    assert (options.units.bits, options.units.iec, options.numeric) == (False, True, True)
    assert (options.settings.theme, options.settings.profile, options.view, options.mouse) == (
        "light",
        "vim",
        "flows",
        False,
    )
    options, _ = parse_arguments(["-u", "bits", "--theme", "mono", "--keys", "iftop", "--view", "sockets"], settings)
    assert options.units.bits
    assert (options.settings.theme, options.settings.profile, options.view) == ("mono", "iftop", "sockets")
    assert parse_arguments([], Settings(view="nonsense"))[0].view is None
