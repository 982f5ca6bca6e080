from __future__ import annotations

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netdash.kernel.container_names import MAX_FILE_BYTES, MAX_NAME_LENGTH, ContainerNames

ONE, TWO, THREE, FOUR = (digit * 64 for digit in "1234")


def put(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


def docker(root: Path, container_id: str) -> Path:
    return root / "var/lib/docker/containers" / container_id / "config.v2.json"


def test_each_runtime(tmp_path: Path) -> None:
    put(docker(tmp_path, ONE), {"ID": ONE, "Name": "/web", "State": {"Running": True}})
    storage = tmp_path / "var/lib/containers/storage/overlay-containers/containers.json"
    put(storage, [{"id": TWO, "names": ["db", "other"]}, {"id": "no id", "names": ["x"]}, {"id": ONE}])
    put(tmp_path / f"var/log/containers/shop-7f9_default_cart-{THREE}.log", b"")
    tasks = tmp_path / "run/containerd/io.containerd.runtime.v2.task/default"
    put(tasks / FOUR / "config.json", {"ociVersion": "1.0", "annotations": {"nerdctl/name": "cache"}})
    names = ContainerNames(str(tmp_path))
    assert [names.name(i) for i in (ONE, TWO, THREE, FOUR)] == ["web", "db", "shop-7f9/cart", "cache"]
    assert names.name(ONE[:12]) == "web"
    assert names.name("5" * 64) is None


def test_a_new_container_is_found_later_but_not_looked_for_all_the_time(tmp_path: Path) -> None:
    now = 100.0
    names = ContainerNames(str(tmp_path), lambda: now)
    put(docker(tmp_path, ONE), {"Name": ""})
    assert names.name(ONE) is None
    put(docker(tmp_path, ONE), {"Name": "/web"})
    assert names.name(ONE) is None
    now += 10
    assert names.name(ONE) == "web"
    docker(tmp_path, ONE).unlink()
    now += 10
    assert names.name(ONE) == "web"


def test_what_may_not_be_read_or_is_too_much_has_no_name(tmp_path: Path) -> None:
    put(docker(tmp_path, ONE), b" " * MAX_FILE_BYTES + b'{"Name": "/web"}')
    docker(tmp_path, TWO).mkdir(parents=True)
    put(docker(tmp_path, THREE), {"Name": "/" + "n" * 5000})
    names = ContainerNames(str(tmp_path))
    assert (names.name(ONE), names.name(TWO)) == (None, None)
    assert names.name(THREE) == "n" * MAX_NAME_LENGTH


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(), st.from_type(type(None)), st.recursive(st.text() | st.integers(), st.lists)))
def test_any_file(tmp_path: Path, data: object) -> None:
    put(docker(tmp_path, ONE), data)
    put(tmp_path / "var/lib/containers/storage/vfs-containers/containers.json", data)
    put(tmp_path / "run/containerd/io.containerd.runtime.v2.task/a" / TWO / "config.json", data)
    names = ContainerNames(str(tmp_path))
    assert names.name(ONE) is None
    assert names.name(TWO) is None
