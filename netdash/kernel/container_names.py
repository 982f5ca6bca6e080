"""Names of containers by id, from the files that container runtimes keep; no daemon is asked.

| runtime | file | name |
|---|---|---|
| Docker | /var/lib/docker/containers/ID/config.v2.json | `Name` |
| Podman, CRI-O (containers/storage) | /var/lib/containers/storage/DRIVER-containers/containers.json | `names` |
| kubelet, with any runtime | /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log | POD/CONTAINER |
| containerd (nerdctl, CRI) | /run/containerd/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json | annotations |

Most are root's alone: they are read once while there is privilege, and later as far as the process may. Whatever stands
in them is bounded, and is the word of who named the container.
"""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

SHORT_ID_LENGTH: Final = 12
"""Container tools show the first 12 of the 64 hexadecimal digits."""
MAX_CONTAINERS: Final = 8192
MAX_FILE_BYTES: Final = 4 << 20
MAX_NAME_LENGTH: Final = 128

_REREAD_SECONDS: Final = 5.0
"""The runtimes' directories are read again for an id that is not known, but not more often."""

_DOCKER: Final = "var/lib/docker/containers/*/config.v2.json"
_STORAGE: Final = "var/lib/containers/storage/*-containers/containers.json"
_KUBELET: Final = "var/log/containers/*.log"
_CONTAINERD: Final = "run/containerd/io.containerd.runtime.v2.task/*/*/config.json"

_ID: Final = re.compile(r"[0-9a-f]{64}")
_LOG_NAME: Final = re.compile(r"([^_]+)_[^_]+_(.+)-([0-9a-f]{64})\.log")
_ANNOTATIONS: Final = ("nerdctl/name", "io.kubernetes.cri.container-name")
"""Of an OCI runtime configuration, the better one first."""


_T = TypeVar("_T")


class _Docker(msgspec.Struct):
    Name: str = ""


class _Stored(msgspec.Struct):
    id: str = ""
    names: list[str] | None = None


class _Oci(msgspec.Struct):
    annotations: dict[str, str] | None = None


class ContainerNames:
    """Remembers every name that it has seen: a container that is gone, or that may no longer be read, keeps its own."""

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        """`root`: where the files are looked for; `clock`: monotonic seconds. Reads what there is now."""
        self._root = root
        self._clock = clock
        self._names: dict[str, str] = {}
        self._told_paths: dict[str, None] = {}
        self._next_reading = 0.0
        self._read_all()

    def name(self, container_id: str) -> str | None:
        """The name for an id, or the first SHORT_ID_LENGTH digits of one; None if it is not known."""
        short = container_id[:SHORT_ID_LENGTH]
        if short not in self._names and self._clock() >= self._next_reading:
            self._read_all()
        return self._names.get(short)

    def _read_all(self) -> None:
        self._next_reading = self._clock() + _REREAD_SECONDS
        for pattern, read in (
            (_CONTAINERD, _of_oci),
            (_KUBELET, _of_log_name),
            (_STORAGE, _of_storage),
            (_DOCKER, _of_docker),
        ):
            for path in self._paths(pattern):
                for container_id, name in read(path):
                    if _ID.fullmatch(container_id) and name:
                        self._names[container_id[:SHORT_ID_LENGTH]] = name[:MAX_NAME_LENGTH]
                        self._told_paths[path] = None
        for remembered in (self._names, self._told_paths):
            while len(remembered) > 2 * MAX_CONTAINERS:
                del remembered[next(iter(remembered))]

    def _paths(self, pattern: str) -> Iterator[str]:
        """Files that have told no name yet; those that name many containers each time."""
        for number, path in enumerate(glob.iglob(os.path.join(glob.escape(self._root), pattern))):
            if number >= MAX_CONTAINERS:
                return
            if pattern == _STORAGE or path not in self._told_paths:
                yield path


def _of_docker(path: str) -> Iterator[tuple[str, str]]:
    container = _decode(path, _Docker)
    if container is not None:
        yield os.path.basename(os.path.dirname(path)), container.Name.removeprefix("/")


def _of_storage(path: str) -> Iterator[tuple[str, str]]:
    for container in _decode(path, list[_Stored]) or []:
        if container.names:
            yield container.id, container.names[0]


def _of_oci(path: str) -> Iterator[tuple[str, str]]:
    configuration = _decode(path, _Oci)
    annotations = (configuration.annotations if configuration is not None else None) or {}
    for key in _ANNOTATIONS:
        if key in annotations:
            yield os.path.basename(os.path.dirname(path)), annotations[key]
            return


def _of_log_name(path: str) -> Iterator[tuple[str, str]]:
    match = _LOG_NAME.fullmatch(os.path.basename(path))
    if match is not None:
        pod, container, container_id = match.groups()
        yield container_id, f"{pod}/{container}"


def _decode(path: str, what: type[_T]) -> _T | None:
    """A JSON file of the runtime; None where it may not be read, is too large or of another form."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None
    if len(data) > MAX_FILE_BYTES:
        return None
    try:
        return msgspec.json.decode(data, type=what)
    except (msgspec.DecodeError, RecursionError):
        return None
