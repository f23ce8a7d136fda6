"""Folders that are whole or absent, and what shows that one is not whole any more."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trainables import checksums
from trainables.checksums import Damaged, check, write_folder

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def fill(folder: Path) -> None:
        (folder / "one").write_bytes(b"1" * 5000)
        (folder / "below").mkdir()
        (folder / "below" / "two, é").write_text("2")

    return write_folder(tmp_path, ["whole"], fill)


def test_a_whole_folder_is_whole_and_sha256sum_agrees(folder: Path):
    check(folder)
    command = ["sha256sum", "--check", "--strict", checksums.NAME]
    checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert checked.stdout.splitlines() == ["below/two, é: OK", "one: OK"]


@pytest.mark.parametrize("name", ["one", "below/two, é", checksums.NAME])
def test_every_changed_byte_is_noticed(folder: Path, name: str):
    content = (folder / name).read_bytes()
    for place in range(0, len(content), 1 + len(content) // 40):
        for bit in (0, 7):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            (folder / name).write_bytes(changed)
            with pytest.raises(Damaged):
                check(folder)
        (folder / name).write_bytes(content[:place])
        with pytest.raises(Damaged):
            check(folder)
    (folder / name).write_bytes(content)
    check(folder)


def test_a_list_of_which_lines_are_missing_is_noticed(folder: Path):
    lines = (folder / checksums.NAME).read_text().splitlines(keepends=True)
    (folder / checksums.NAME).write_text("".join(lines[:-1]))
    with pytest.raises(Damaged, match="^SHA256SUMS is damaged$"):
        check(folder)


def test_what_is_missing_is_named(folder: Path):
    (folder / "one").rename(folder / "another")
    with pytest.raises(Damaged, match="^one is missing$"):
        check(folder)
    check(folder, may_lack=("one",))
    (folder / checksums.NAME).unlink()
    with pytest.raises(Damaged, match="^SHA256SUMS is missing$"):
        check(folder)


def test_files_swapped_are_noticed(folder: Path):
    (folder / "one").rename(folder / "x")
    (folder / "below" / "two, é").rename(folder / "one")
    (folder / "x").rename(folder / "below" / "two, é")
    with pytest.raises(Damaged, match="does not match its checksum"):
        check(folder)


def test_a_name_that_is_taken_stays_as_it_is(folder: Path, tmp_path: Path):
    def fill(folder: Path) -> None:
        (folder / "other").write_text("other")

    assert write_folder(tmp_path, ["whole", "whole-2"], fill) == tmp_path / "whole-2"
    with pytest.raises(FileExistsError):
        write_folder(tmp_path, ["whole"], fill)
    check(folder)
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "whole-2"}


WRITE = """
import sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from tiny_trials import run, tiny_trial
print("start", flush=True)
run(tiny_trial(), Path(sys.argv[1]))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_snapshot_gets_its_name_after_all_of_it_is_on_the_disk(tmp_path: Path):
    """What a file system may do at a power cut, it may do to whatever was not flushed before."""
    root, log = tmp_path / "trials", tmp_path / "log"
    command = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", "trace=write,fsync,rename"]
    code = [sys.executable, "-c", WRITE.format(tests=str(HERE)), str(root)]
    subprocess.run([*command, *code], check=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"})
    (snapshot,) = root.glob("*/at-*")
    calls = [line.partition(" ")[2].strip() for line in log.read_text().splitlines() if str(root) in line]
    (renamed,) = (number for number, call in enumerate(calls) if call.startswith("rename(") and "/at-" in call)
    writing = re.match(r'rename\("([^"]+)"', calls[renamed])[1]

    def last(call: str, path: str | Path) -> int:
        wanted = re.compile(rf"{call}\(\d+<{re.escape(str(path))}")
        return max((number for number, each in enumerate(calls) if wanted.match(each)), default=-1)

    written = last("write", f"{writing}/")
    files = [last("fsync", f"{writing}/{path.name}>") for path in snapshot.iterdir()]
    assert len(files) == 5 and written < min(files), "each file after all of it was written"
    assert max(files) < last("fsync", f"{writing}>") < renamed, "and its folder after that"
    assert renamed < last("fsync", f"{snapshot.parent}>"), "the new name"
    assert renamed < last("fsync", f"{root}>"), "the name of the trial's own folder"
