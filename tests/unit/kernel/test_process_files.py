"""Socket owners, on directories laid out like /proc (what real processes do is in tests/integration)."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from netdash.kernel import process_files
from netdash.kernel.process_files import SocketOwners, SocketOwnership


class Proc:
    """A directory like /proc that real files and links are put into, and a clock that is set by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1000.0
        self.owners = SocketOwners(str(root), lambda: self.now)

    def start(self, pid: int, links: dict[int, str], start_ticks: int = 100) -> None:
        directory = self.root / str(pid) / "fd"
        directory.mkdir(parents=True)
        fields = " ".join("0" for _ in range(17))
        (directory.parent / "stat").write_text(f"{pid} (x) S 1 {fields} {start_ticks} 0\n")
        for number, target in links.items():
            (directory / str(number)).symlink_to(target)

    def end(self, pid: int) -> None:
        """Moved, not removed: procfs does not use the inode number of a directory again, other filesystems do."""
        (self.root / str(pid)).rename(self.root / f"ended-{pid}")

    def replace(self, pid: int, links: dict[int, str]) -> None:
        """Other links under the same directory: number of descriptors and directory inode stay if the sizes do."""
        directory = self.root / str(pid) / "fd"
        for entry in list(directory.iterdir()):
            entry.unlink()
        for number, target in links.items():
            (directory / str(number)).symlink_to(target)

    def poll(self, *inodes: int) -> list[int]:
        self.owners.refresh(np.array(inodes, np.uint32))
        return [int(pid) for pid in self.owners.owners(np.array(inodes, np.uint32))]


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts readlink(2) calls by process."""
    counter: Counter[str] = Counter()
    original = os.readlink

    def counting(path: str) -> str:
        counter[Path(path).parts[-3]] += 1
        return original(path)

    monkeypatch.setattr(os, "readlink", counting)
    return counter


def sockets(*inodes: int) -> dict[int, str]:
    return {number: f"socket:[{inode}]" for number, inode in enumerate(inodes, start=3)}


def test_owners_come_in_the_order_asked(proc: Proc) -> None:
    proc.start(10, {0: "/dev/null", 1: "pipe:[501]"} | sockets(501, 502))
    proc.start(9, sockets(503))
    assert proc.poll(503, 0, 501, 999, 502, 501) == [9, -1, 10, -1, 10, 10]
    assert proc.owners.owners(np.zeros(0, np.uint32)).tolist() == []
    assert proc.owners.start_ticks(9) == 100
    assert proc.owners.start_ticks(8) is None


def test_nothing_is_known_before_the_first_refresh(proc: Proc) -> None:
    assert proc.owners.owners(np.array([5, 0], np.uint32)).tolist() == [-1, -1]
    assert proc.poll() == []


def test_it_stands_in_for_the_protocol(proc: Proc) -> None:
    ownership: SocketOwnership = proc.owners
    ownership.refresh(np.array([1], np.uint32))
    assert ownership.owners(np.array([1], np.uint32)).tolist() == [-1]


def test_known_sockets_cost_no_readlink(proc: Proc, calls: Counter[str]) -> None:
    proc.start(10, sockets(501, 502))
    proc.poll(501, 502)
    calls.clear()
    assert proc.poll(501, 502) == [10, 10]
    assert proc.poll(502) == [10]
    assert not calls


def test_new_process_is_read_alone(proc: Proc, calls: Counter[str]) -> None:
    proc.start(10, {0: "/dev/null"} | sockets(501))
    proc.poll(501)
    calls.clear()
    proc.start(11, sockets(511, 512))
    assert proc.poll(501, 511, 512) == [10, 11, 11]
    assert calls == {"11": 2}


def test_socket_that_replaced_a_file_is_found_when_all_are_read(proc: Proc) -> None:
    proc.start(10, {3: "socket:[501]", 4: "/var/log/x"})
    proc.start(11, sockets(511))
    proc.poll(501, 511)
    proc.replace(10, {3: "socket:[501]", 4: "socket:[502]"})
    assert proc.poll(501, 511, 502) == [10, 11, 10]


@pytest.mark.parametrize(("count", "at_once"), [(5, True), (300, False)])
def test_reused_descriptor_of_a_shared_socket(proc: Proc, count: int, at_once: bool) -> None:
    """A process with few sockets is read anew each time, one with many when the socket is not found otherwise."""
    many = range(600, 600 + count)
    proc.start(10, sockets(501, *many))
    proc.start(11, sockets(501))
    assert proc.poll(501, *many)[0] == 10
    proc.replace(10, sockets(502, *many))
    assert (proc.poll(501, 502, *many)[:2] == [11, 10]) is at_once
    proc.now += 2
    assert proc.poll(501, 502, *many) == [11, 10] + [10] * count


def test_descriptors_of_live_sockets_are_not_read_again(proc: Proc, calls: Counter[str]) -> None:
    many = range(600, 900)
    proc.start(10, sockets(*many))
    proc.poll(*many)
    calls.clear()
    (proc.root / "10" / "fd" / "9999").symlink_to("socket:[501]")
    assert proc.poll(501, *many)[0] == 10
    assert calls == {"10": 1}


def test_unresolved_inodes_are_looked_for_ever_more_rarely(proc: Proc, calls: Counter[str]) -> None:
    proc.start(10, {0: "/dev/null"})
    scans = []
    for _ in range(1200):
        calls.clear()
        assert proc.poll(999) == [-1]
        scans.append(calls["10"])
        proc.now += 0.1
    # At 0 s (the stage of changed processes, then all), then after 1, 2, 4, 8, 16, 30, 30 … seconds.
    assert [index for index, count in enumerate(scans) if count][:5] == pytest.approx([0, 10, 30, 70, 150], abs=2)
    assert sum(1 for count in scans if count) <= 9


def test_full_scans_that_find_nothing_become_rare(proc: Proc, calls: Counter[str]) -> None:
    """Each poll brings another socket of somebody whose descriptors cannot be read."""
    proc.start(10, {0: "/dev/null"})
    scans = 0
    for poll in range(100):
        calls.clear()
        proc.poll(5000 + poll)
        scans += calls["10"] > 0
        proc.now += 1
    assert scans < 20


def test_owner_that_is_found_later_ends_the_back_off(proc: Proc) -> None:
    proc.poll(501)
    proc.start(10, sockets(501))
    proc.now += 1.1
    assert proc.poll(501) == [10]


def test_vanished_sockets_are_forgotten(proc: Proc) -> None:
    proc.start(10, sockets(*range(501, 600)))
    proc.poll(*range(501, 600))
    proc.poll(501)
    assert proc.owners.shared(502) == ()
    assert proc.owners.owners(np.array([502, 501], np.uint32)).tolist() == [-1, 10]
    assert proc.poll(501, 502) == [10, 10]


def test_several_holders(proc: Proc) -> None:
    for pid in (30, 10, 20):
        proc.start(pid, sockets(501))
    assert proc.poll(501) == [10]
    assert proc.owners.shared(501) == (10, 20, 30)
    proc.end(10)
    assert proc.poll(501) == [20]
    proc.start(5, sockets(501, 502))
    assert proc.poll(501, 502) == [20, 5]
    assert proc.owners.shared(501) == (20, 30, 5)
    assert proc.owners.shared(777) == ()


def test_two_descriptors_of_one_socket_count_once(proc: Proc) -> None:
    proc.start(10, sockets(501, 501))
    assert proc.poll(501) == [10]
    assert proc.owners.shared(501) == (10,)


def test_reused_pid_does_not_inherit(proc: Proc) -> None:
    proc.start(10, sockets(501), start_ticks=100)
    proc.start(20, sockets(501))
    proc.poll(501)
    proc.end(10)
    proc.start(10, sockets(502), start_ticks=900)
    assert proc.poll(501, 502) == [20, 10]
    assert proc.owners.start_ticks(10) == 900


def test_reused_pid_without_sockets_loses_them_all(proc: Proc) -> None:
    proc.start(10, sockets(501), start_ticks=100)
    proc.poll(501)
    proc.end(10)
    proc.start(10, {}, start_ticks=900)
    assert proc.poll(501) == [-1]


def test_links_run_out_and_the_rest_follows(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_files, "MAX_READLINKS", 10)
    pids = range(10, 20)
    for pid in pids:
        proc.start(pid, sockets(*range(pid * 100, pid * 100 + 5)))
    inodes = [pid * 100 + index for pid in pids for index in range(5)]
    found = []
    for _ in range(8):
        found.append(sum(owner >= 0 for owner in proc.poll(*inodes)))
        proc.now += 40
    assert found[0] < 50
    assert found[-1] == 50


def test_odd_entries_are_ignored(proc: Proc) -> None:
    odd = ["socket:[]", "socket:[x]", "socket:[501", "socket:501]", "anon_inode:[eventfd]", "socket:[99999999999]"]
    proc.start(10, dict(enumerate(odd)))
    (proc.root / "self").mkdir()
    (proc.root / "99999999999").mkdir()
    (proc.root / "11").write_text("")
    (proc.root / "12" / "fd").mkdir(parents=True)
    assert proc.poll(501) == [-1]


def test_missing_proc(tmp_path: Path) -> None:
    owners = SocketOwners(str(tmp_path / "none"))
    owners.refresh(np.array([1], np.uint32))
    assert owners.owners(np.array([1], np.uint32)).tolist() == [-1]


def test_readable_all_without_foreign_processes_follows_the_capabilities(
    proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.start(10, sockets(501))
    for capabilities, expected in (
        ({"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_BPF"}, True),
        ({"CAP_SYS_PTRACE"}, False),
        ({"CAP_DAC_READ_SEARCH"}, False),
    ):
        monkeypatch.setattr(process_files, "effective_capabilities", lambda held=capabilities: frozenset(held))
        assert proc.owners.readable_all is expected


@pytest.mark.root
def test_readable_all_tries_a_foreign_process(proc: Proc) -> None:
    """A process that is somebody else's and can be read decides, without a look at the capabilities."""
    proc.start(10, {})
    proc.start(11, sockets(501))
    for pid in (10, 11):
        os.chown(proc.root / str(pid), 65534, 65534)
    assert proc.owners.readable_all
