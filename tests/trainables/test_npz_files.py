"""Reading .npz files that are damaged or hostile, and what is kept of one that was read."""

import io
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainables.data import inspection
from trainables.data.arrays import NAMES, digest
from trainables.data.content import Used
from trainables.data.inspection import inspect_npz
from trainables.data.npz import read_npz
from trainables.data.place import DataError, opened
from trainables.memory import memory_bytes


def content() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.normal(size=(12, 20)).astype(np.float32),
        "y_train": np.arange(12) % 3,
        "x_test": rng.normal(size=(6, 20)).astype(np.float32),
        "y_test": np.arange(6) % 3,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(tmp_path / "own.npz", **content())
    return tmp_path / "own.npz"


class TestReading:
    def test_packed_or_not_in_any_order(self, tmp_path: Path):
        expected = content()
        for save in (np.savez, np.savez_compressed):
            save(tmp_path / "own.npz", **{name: np.asfortranarray(array) for name, array in expected.items()})
            arrays = read_npz(tmp_path / "own.npz")
            assert all(np.array_equal(arrays[name], expected[name]) for name in NAMES)
            assert digest(arrays) == digest(expected)

    def test_other_arrays_beside_them_are_not_read(self, tmp_path: Path):
        np.savez(tmp_path / "own.npz", **content(), notes=np.array(["objects"], dtype=object))
        assert set(read_npz(tmp_path / "own.npz")) == set(NAMES)

    @pytest.mark.parametrize("what", ["folder", "pipe", "socket", "device", "nothing", "loop", "in a file", "long"])
    def test_what_is_no_file(self, tmp_path: Path, what: str):
        """In another process with a time limit: opening a pipe can wait for ever."""
        path = tmp_path / "own.npz"
        match what:
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "socket":
                os.mknod(path, stat.S_IFSOCK | 0o600)
            case "device":
                path.symlink_to("/dev/zero")
            case "loop":
                path.symlink_to(path)
            case "in a file":
                (tmp_path / "file").write_text("")
                path = tmp_path / "file" / "own.npz"
            case "long":
                path = tmp_path / f"{'a' * 300}.npz"
        code = """
import sys
from pathlib import Path
from trainables.data.npz import read_npz
from trainables.data.place import DataError, opened
try:
    read_npz(Path(sys.argv[1]))
except DataError as error:
    print(error)
"""
        command = [sys.executable, "-c", code, str(path)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert said.startswith(f"data npz: {path} ") and len(said.splitlines()) == 1

    def test_a_file_that_may_not_be_read(self, file: Path):
        """Root may read everything, so it becomes somebody else for the while."""
        file.chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(DataError, match=r"own\.npz cannot be read: Permission denied"):
                read_npz(file)
        finally:
            os.seteuid(user)

    def test_a_problem_in_what_is_done_with_a_file_is_not_blamed_on_it(self, file: Path):
        for error in (ValueError("mine"), FileNotFoundError("mine")):
            with pytest.raises(type(error), match="mine"), opened(file):
                raise error

    def packed(self, path: Path, name: str, header: bytes, *, packing: int = zipfile.ZIP_DEFLATED) -> Path:
        """A file in which one array is replaced by these bytes."""
        arrays = content()
        with zipfile.ZipFile(path, "w", packing) as archive:
            for each, array in arrays.items():
                with archive.open(f"{each}.npy", "w", force_zip64=True) as member:
                    if each == name:
                        member.write(header)
                    else:
                        np.lib.format.write_array(member, array)
        return path

    def header(self, shape: tuple[int, ...], descr: str = "<f4") -> bytes:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
        return header.getvalue()

    @pytest.mark.parametrize("shape", [(12, 10**12), (2**40, 2**40), (10**30, 1), (12, 20, 0), (-12, 20)])
    def test_a_header_that_promises_too_much(self, tmp_path: Path, shape: tuple[int, ...]):
        path = self.packed(tmp_path / "own.npz", "x_train", self.header(shape) + b"\0" * 960)
        with pytest.raises(DataError, match=r"x_train is damaged: its header says float32 \(.*does not take 960 bytes"):
            read_npz(path)

    def test_a_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """As much as deflate can pack; nothing of it is unpacked where it is more than this machine holds."""
        path = self.packed(tmp_path / "own.npz", "x_train", self.header((12, 10**6)) + bytes(48 * 10**6))
        assert path.stat().st_size < 100_000
        monkeypatch.setattr("trainables.data.npz.memory_bytes", lambda: 40 * 10**6)
        with pytest.raises(DataError, match=r"its arrays take 0\.0 GB, and this machine has 0\.0 GB of memory"):
            read_npz(path)
        assert 10**8 < memory_bytes() < 10**15

    def test_a_size_that_the_file_cannot_have(self, file: Path):
        """Sizes in the directory at a file's end are overwritten by 2^31."""
        raw = bytearray(file.read_bytes())
        entry = raw.index(b"PK\1\2")
        raw[entry + 20 : entry + 28] = (2**31).to_bytes(4, "little") * 2
        file.write_bytes(raw)
        with pytest.raises(DataError, match="is damaged: 2,147,483,648 bytes cannot lie in"):
            read_npz(file)

    def test_names_that_a_terminal_would_obey(self, tmp_path: Path):
        np.savez(tmp_path / "own.npz", **{"\x1b[2Jx_train": np.zeros(3), "y" * 5000: np.zeros(3)})
        with pytest.raises(DataError, match=r"is without x_train.*, and holds \?\[2Jx_train, yyy") as error:
            read_npz(tmp_path / "own.npz")
        assert len(str(error.value)) < 500

    def test_one_name_twice(self, file: Path):
        with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(file, "a") as archive:
            archive.writestr("x_train.npy", b"")
        with pytest.raises(DataError, match="holds x_train twice"):
            read_npz(file)

    @pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_packed_in_another_way(self, tmp_path: Path, packing: int):
        path = self.packed(tmp_path / "own.npz", "none", b"", packing=packing)
        with pytest.raises(DataError, match="x_train is packed in a way that numpy does not write"):
            read_npz(path)

    @given(st.data())
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_damage_is_a_sentence_or_harmless(self, file: Path, data: st.DataObject):
        """Bytes overwritten, cut out, doubled: whatever is read is what was written."""
        raw = file.read_bytes()
        harmed = bytearray(raw)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(harmed) - 1))
            length = data.draw(st.sampled_from([1, 1, 1, 4, 100]))
            match data.draw(st.sampled_from(["overwrite", "overwrite", "cut", "double"])):
                case "overwrite":
                    harmed[at : at + length] = data.draw(st.binary(min_size=length, max_size=length))
                case "cut":
                    del harmed[at : at + length]
                case "double":
                    harmed[at:at] = harmed[at : at + length]
            if not harmed:
                break
        other = file.with_name("harmed.npz")
        other.write_bytes(harmed)
        expected = content()
        try:
            arrays = read_npz(other)
        except DataError as error:
            assert str(other) in str(error) and len(str(error)) < 1000 and str(error).replace("\n", "").isprintable()
        else:
            assert digest(arrays) == digest(expected)


class TestKept:
    """Digest and findings are kept under grokgrid's home, so that a file is read once."""

    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "home"))
        # Files of this test are younger than what file systems' times tell apart.
        monkeypatch.setattr(inspection, "_SETTLED_S", -1.0)
        return tmp_path / "home"

    @pytest.fixture
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
        """How often a file's arrays have been read since the last call."""
        num = 0
        real = inspection.read_arrays

        def counted(*given: Any) -> Any:
            nonlocal num
            num += 1
            return real(*given)

        def since() -> int:
            nonlocal num
            before, num = num, 0
            return before

        monkeypatch.setattr(inspection, "read_arrays", counted)
        return since

    def kept(self, home: Path) -> Path:
        (file,) = (home / "cache" / "data").iterdir()
        return file

    def test_read_once(self, file: Path, reads: Callable[[], int], tmp_path: Path):
        first = inspect_npz(file, Used())
        assert (first.digest, first.num_train, first.num_test) == (digest(content()), 12, 6)
        assert (first.example_shape, first.num_outputs) == ((20,), 3)
        (tmp_path / "link.npz").symlink_to(file)
        assert inspect_npz(file, Used()) == inspect_npz(tmp_path / "link.npz", Used()) == first
        assert reads() == 1

    def test_another_part_is_looked_at_by_itself(self, file: Path, reads: Callable[[], int]):
        whole, part = inspect_npz(file, Used()), inspect_npz(file, Used(num_train=1))
        assert part.digest == whole.digest and part.findings.refusals and not whole.findings.refusals
        assert (inspect_npz(file, Used()), inspect_npz(file, Used(num_train=1))) == (whole, part)
        assert reads() == 2

    def test_a_file_that_changed_is_read_again(self, file: Path, reads: Callable[[], int]):
        before, times = inspect_npz(file, Used()), file.stat()
        changed = content()
        changed["y_test"] = changed["y_test"][::-1]
        np.savez(file, **changed)
        # In the same place, as long, and as old by the time that can be set.
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert file.stat().st_size == times.st_size
        assert inspect_npz(file, Used()).digest == digest(changed) != before.digest
        assert reads() == 2

    def test_a_file_that_may_still_change_is_not_trusted(
        self, file: Path, home: Path, reads: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(inspection, "_SETTLED_S", 60.0)
        inspect_npz(file, Used())
        inspect_npz(file, Used())
        assert reads() == 2 and not home.exists()

    @given(st.data())
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_damage_is_noticed_and_mended(self, file: Path, home: Path, data: st.DataObject):
        found = inspect_npz(file, Used())
        kept = self.kept(home)
        whole = kept.read_bytes()
        harmed = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
        if harmed:
            harmed[data.draw(st.integers(0, len(harmed) - 1))] ^= data.draw(st.integers(1, 255))
        kept.write_bytes(harmed)
        assert inspect_npz(file, Used()) == found
        assert kept.read_bytes() == whole

    def test_what_other_checks_found_is_made_anew(
        self, file: Path, reads: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ):
        inspect_npz(file, Used())
        monkeypatch.setattr(inspection, "code_digest", lambda: "later")
        inspect_npz(file, Used())
        assert reads() == 2

    def test_where_nothing_can_be_written_nothing_is_kept(self, file: Path, home: Path, reads: Callable[[], int]):
        home.write_text("a file, where the folder should be")
        assert inspect_npz(file, Used()) == inspect_npz(file, Used())
        assert reads() == 2

    def test_what_nobody_made_for_long_goes(self, file: Path, home: Path, tmp_path: Path):
        inspect_npz(file, Used())
        old = self.kept(home)
        os.utime(old, (0, 0))
        file.rename(tmp_path / "moved.npz")
        inspect_npz(tmp_path / "moved.npz", Used())
        assert self.kept(home) != old
