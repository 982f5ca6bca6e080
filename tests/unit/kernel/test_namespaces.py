from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from netdash.errors import NetdashError
from netdash.kernel.namespaces import current_namespace_inode, enter_network_namespace
from tests.namespaces import Lab, create_namespace, popen_in, remove_namespace, run_in

NOBODY = 65534


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"nd-{os.getpid()}-enter"
    create_namespace(name)
    yield name
    remove_namespace(name)


def interface_names() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_the_inode_is_the_one_that_proc_shows() -> None:
    assert os.readlink("/proc/self/ns/net") == f"net:[{current_namespace_inode()}]"


@pytest.mark.parametrize(
    "name",
    ["no-such-namespace", "", ".", "..", "../../etc/passwd", "a\0b", "4294967295", "9" * 5000, "x" * 300, "-1", "١٢"],
)
def test_a_missing_namespace_is_named_with_the_remedy(name: str) -> None:
    with pytest.raises(NetdashError) as caught:
        enter_network_namespace(name)
    message = str(caught.value)
    assert repr(name) in message
    assert "ip netns list" in message
    assert "\n" not in message


@pytest.mark.root
def test_enters_by_name_in_the_calling_thread_only(lab: Lab) -> None:
    here = current_namespace_inode()
    there = run_in(lab.a.namespace, current_namespace_inode)
    assert there == os.stat(f"/run/netns/{lab.a.namespace}").st_ino
    assert there != here
    assert run_in(lab.a.namespace, interface_names) == {"lo", lab.a.interface}
    assert current_namespace_inode() == here


@pytest.mark.root
def test_enters_by_process(lab: Lab) -> None:
    process = popen_in(lab.b.namespace, [sys.executable, "-c", "import signal; signal.pause()"])
    found: list[int] = []

    def enter() -> None:
        enter_network_namespace(str(process.pid))
        found.append(current_namespace_inode())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [os.stat(f"/run/netns/{lab.b.namespace}").st_ino]


@pytest.mark.root
@pytest.mark.parametrize("target", ["name", "own process", "process 1"])
def test_without_privilege_it_is_refused_in_one_line(namespace: str, target: str) -> None:
    program = f"""
import os
from netdash.errors import NotPermittedError
from netdash.kernel.namespaces import enter_network_namespace
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
name = {{"name": {namespace!r}, "own process": str(os.getpid()), "process 1": "1"}}[{target!r}]
try:
    enter_network_namespace(name)
except NotPermittedError as error:
    print(error)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert "CAP_SYS_ADMIN" in finished.stdout
    assert finished.stdout.count("\n") == 1


@pytest.mark.root
def test_a_file_that_is_no_namespace_is_refused() -> None:
    name = f"nd-{os.getpid()}-no-namespace"
    path = f"/run/netns/{name}"
    with open(path, "x"):
        pass
    try:
        with pytest.raises(NetdashError, match="Invalid argument"):
            enter_network_namespace(name)
    finally:
        os.unlink(path)
