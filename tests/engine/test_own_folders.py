"""Temporary folders that the next process removes if theirs was killed."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokgrid.engine.own_folders import OwnFolder

OWNER = """
from grokgrid.engine.own_folders import OwnFolder
folder = OwnFolder("grokgrid-test-")
(folder.path / "a file").write_text("of its owner")
print(folder.path, flush=True)
input()
folder.close()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        yield owner
        owner.kill()


def path_of(owner: subprocess.Popen[str]) -> Path:
    assert owner.stdout is not None
    return Path(owner.stdout.readline().strip())


def test_it_is_for_its_user_alone_and_goes_when_it_is_closed():
    folder = OwnFolder("grokgrid-test-")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.close()
    assert not folder.path.exists()


def test_that_of_a_living_process_stays_and_that_of_a_killed_one_goes(owner: subprocess.Popen[str]):
    path = path_of(owner)
    OwnFolder("grokgrid-test-").close()
    assert (path / "a file").read_text() == "of its owner"
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert path.exists()
    OwnFolder("grokgrid-test-").close()
    assert not path.exists()


def test_a_process_that_inherits_the_lock_owns_it_too(owner: subprocess.Popen[str]):
    folder = OwnFolder("grokgrid-test-")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[folder.lock]) as heir:
        os.close(folder.lock)
        OwnFolder("grokgrid-test-").close()
        assert folder.path.exists()
        heir.kill()
    OwnFolder("grokgrid-test-").close()
    assert not folder.path.exists()


def test_nothing_is_removed_through_a_link(temporary: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a file").write_text("of another")
    (temporary / "grokgrid-test-link").symlink_to(elsewhere)
    OwnFolder("grokgrid-test-").close()
    assert (elsewhere / "a file").exists()


def test_many_at_the_same_time_each_have_their_own(temporary: Path):
    """Each removes what it finds unlocked, also what another has just made."""
    code = 'from grokgrid.engine.own_folders import OwnFolder\nfor _ in range(50): OwnFolder("grokgrid-test-").close()'
    many = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(each.communicate()[1], each.returncode) for each in many] == [("", 0)] * 4
    assert not list(temporary.glob("grokgrid-test-*"))


def test_a_path_that_is_too_long_for_sockets_is_in_tmp(temporary: Path):
    folder = OwnFolder("grokgrid-test-", longest_path=len(str(temporary)))
    assert folder.path.parent == Path("/tmp")
    folder.close()
