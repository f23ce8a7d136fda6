"""Data sets: what is loaded, and what is said where it is missing or not what was declared."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from tiny_trials import tiny_trial

from trainables import checksums
from trainables.data import shared
from trainables.data.arrays import digest
from trainables.data.load import Data, load, of_trial
from trainables.data.npz import read_npz
from trainables.data.place import DataError, data_root
from trainables.datasets.base import Dataset
from trainables.datasets.digits import Digits
from trainables.datasets.mnist import Mnist
from trainables.training import Training

CPU = torch.device("cpu")

needs_mnist = pytest.mark.skipif(
    "GROKGRID_DATA" not in os.environ, reason="GROKGRID_DATA does not say where the MNIST files are"
)


@pytest.fixture(autouse=True)
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither by this process nor on this node."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    load.cache_clear()
    yield
    load.cache_clear()


def loaded(dtype: torch.dtype = torch.float64, **settings: Any) -> Data:
    return load(TypeAdapter(Dataset).validate_python(settings), dtype, CPU)


class TestDigits:
    def test_whole(self):
        """scikit-learn's first 1,000 and last 797; its load_digits() says 8 x 8 pixels of 0 to 16, ten classes."""
        from sklearn.datasets import load_digits

        theirs = load_digits()
        data = loaded(name="digits")
        assert (data.x_train.shape, data.x_test.shape, data.num_outputs) == ((1000, 1, 8, 8), (797, 1, 8, 8), 10)
        assert (data.x_train.dtype, data.y_train.dtype) == (torch.float64, torch.int64)
        # Normalised by the first 1,000: mean 0, standard deviation 1 over all their pixels.
        assert float(data.x_train.mean()) == pytest.approx(0, abs=1e-9)
        assert float(data.x_train.std(correction=0)) == pytest.approx(1, rel=1e-9)
        first = theirs.images[:1000] / 16
        pixels = (theirs.images / 16 - first.mean()) / first.std()
        np.testing.assert_allclose(torch.cat([data.x_train, data.x_test])[:, 0].numpy(), pixels, rtol=1e-9, atol=1e-12)
        assert torch.cat([data.y_train, data.y_test]).tolist() == theirs.target.tolist()

    def test_the_first_in_file_order_normalised_as_the_whole(self):
        whole, part = loaded(name="digits"), loaded(name="digits", num_train=30, num_test=20)
        assert torch.equal(part.x_train, whole.x_train[:30]) and torch.equal(part.y_test, whole.y_test[:20])
        assert part.num_outputs == loaded(name="digits", num_train=1, num_test=1).num_outputs == 10

    def test_in_single_precision(self):
        single = loaded(torch.float32, name="digits").x_train
        assert single.dtype == torch.float32
        torch.testing.assert_close(single, loaded(name="digits").x_train.float())

    @pytest.mark.parametrize("settings", [{"num_train": 1001}, {"num_test": 798}, {"num_train": 0}, {"num_train": "5"}])
    def test_no_more_than_there_are(self, settings: dict[str, Any]):
        with pytest.raises(ValidationError):
            loaded(name="digits", **settings)

    def test_examples_held_out_lie_behind_those_that_train(self):
        whole, part = loaded(name="digits"), loaded(name="digits", num_train=30, num_validation=20)
        x, y = part.part("validation")
        assert torch.equal(x, whole.x_train[30:50]) and torch.equal(y, whole.y_train[30:50])
        assert torch.equal(part.x_train, whole.x_train[:30])
        with pytest.raises(ValidationError, match="at most 100 can be held out"):
            loaded(name="digits", num_train=900, num_validation=101)

    def test_its_declared_digest_is_that_of_its_content(self):
        assert digest(Digits().read()) == Digits().content_digest

    def test_is_loaded_once_a_process(self):
        assert loaded(name="digits") is loaded(name="digits")


def arrays(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (9, 2, 3), dtype=np.uint8),
        "y_train": np.arange(9, dtype=np.uint8) % 4,
        "x_test": rng.integers(0, 256, (5, 2, 3), dtype=np.uint8),
        "y_test": np.arange(5, dtype=np.int32),
    } | changes


class TestNpz:
    @pytest.fixture
    def write(self, tmp_path: Path) -> Callable[..., dict[str, Any]]:
        def write(**changes: Any) -> dict[str, Any]:
            """The file's settings."""
            content = arrays(**changes)
            np.savez(tmp_path / "own.npz", **content)
            return {"name": "npz", "path": tmp_path / "own.npz", "digest": digest(content)}

        return write

    def test_bytes_are_scaled_to_one(self, write):
        data, content = loaded(**write()), arrays()
        np.testing.assert_allclose(data.x_train.numpy(), content["x_train"] / 255, rtol=1e-15)
        assert data.y_test.tolist() == [0, 1, 2, 3, 4] and data.y_test.dtype == torch.int64
        assert data.num_outputs == 5

    def test_floating_point_is_taken_as_it_is(self, write):
        x = np.random.default_rng(1).normal(size=(9, 4))
        data = loaded(**write(x_train=x, x_test=x[:5].astype(np.float32)))
        assert np.array_equal(data.x_train.numpy(), x)
        assert data.x_test.dtype == torch.float64

    def test_the_first_in_file_order(self, write):
        data = loaded(**write(), num_train=4, num_test=2)
        assert len(data.x_train) == len(data.y_train) == 4 and len(data.x_test) == 2
        assert data.num_outputs == 5

    def test_fewer_than_asked_for(self, write):
        with pytest.raises(DataError, match="num_train is 10, there are 9 examples"):
            loaded(**write(), num_train=10)

    def test_other_content_than_declared(self, write):
        settings = write()
        declared = settings["digest"]
        content = arrays()
        content["x_test"][-1, 0, 0] ^= 1
        write(**content)
        with pytest.raises(DataError) as error:
            loaded(**settings)
        assert declared in str(error.value) and digest(content) in str(error.value)

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("x_train", lambda x: x.astype(np.float32)),
            ("x_train", lambda x: x.reshape(9, 6)),
            ("y_train", lambda y: y[::-1]),
            ("y_train", lambda y: y.astype(np.int64)),
        ],
    )
    def test_the_digest_sees_types_shapes_and_order(self, name: str, other):
        content = arrays()
        assert digest(content | {name: other(content[name])}) != digest(content)
        assert digest({key: content[key] for key in reversed(content)}) == digest(content)
        assert digest(content | {name: np.asfortranarray(content[name])}) == digest(content)

    def test_pickles_are_refused(self, tmp_path: Path):
        class Evil:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "harm",))

        np.savez(tmp_path / "evil.npz", **arrays(y_train=np.array([Evil()] * 9, dtype=object)))
        with pytest.raises(DataError, match="y_train holds Python objects, which are never loaded"):
            read_npz(tmp_path / "evil.npz")
        assert not (tmp_path / "harm").exists()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"x_train": np.zeros((8, 2, 3))}, r"y_train must be \(8,\) integer classes from 0, is uint8 \(9,\)"),
            ({"y_test": np.zeros(5)}, r"y_test must be \(5,\) integer classes from 0, is float64"),
            ({"y_test": np.zeros((5, 1), int)}, r"y_test must be .* is int64 \(5, 1\)"),
            ({"y_test": np.arange(5) - 1}, "y_test must be .* classes from 0"),
            ({"x_test": np.zeros((5, 3, 2))}, r"differ in shape: \(2, 3\) and \(3, 2\)"),
            ({"x_test": np.zeros((5, 2, 3), int)}, "x_test must be uint8 or float16, 32 or 64, is int64"),
            ({"x_test": np.zeros((5, 2, 3), ">f4")}, "x_test must be .* is >f4"),
            ({"x_test": np.zeros(5)}, r"x_test must be \(examples, …\), is \(5,\)"),
            ({"x_test": np.zeros((0, 2, 3)), "y_test": np.zeros(0, int)}, r"x_test must be .* is \(0, 2, 3\)"),
        ],
    )
    def test_unfit_arrays(self, write, changes: dict[str, Any], message: str):
        with pytest.raises(DataError, match=f"own.npz: .*{message}"):
            loaded(**write(**changes))

    def test_a_missing_array(self, tmp_path: Path):
        content = arrays()
        del content["y_test"]
        np.savez(tmp_path / "own.npz", **content)
        with pytest.raises(DataError, match="is without y_test; it must hold x_train, .*, and holds x_test, x_train"):
            read_npz(tmp_path / "own.npz")

    @pytest.mark.parametrize("cut", [0, 10, 700])
    def test_a_file_cut_short(self, write, cut: int):
        path = write()["path"]
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(DataError, match="is cut short"):
            read_npz(path)

    def test_a_file_with_a_flipped_bit(self, write):
        path = write()["path"]
        content = bytearray(path.read_bytes())
        content[content.index(arrays()["x_train"].tobytes())] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match="Bad CRC"):
            read_npz(path)

    def test_something_else_under_that_name(self, tmp_path: Path):
        (tmp_path / "text.npz").write_text("hello")
        with (tmp_path / "npy.npz").open("wb") as file:
            np.save(file, np.zeros(3))
        (tmp_path / "folder.npz").mkdir()
        for name in ("text", "npy", "folder"):
            with pytest.raises(DataError, match=f"{name}.npz is no .npz file"):
                read_npz(tmp_path / f"{name}.npz")

    def test_a_missing_file(self, tmp_path: Path):
        settings = {"name": "npz", "path": tmp_path / "no.npz", "digest": "sha256:" + 64 * "0"}
        with pytest.raises(DataError, match="no.npz is not there"):
            TypeAdapter(Dataset).validate_python(settings).require()
        with pytest.raises(DataError, match="no.npz is not there"):
            loaded(**settings)

    @pytest.mark.parametrize("settings", [{"path": "a.pt"}, {"digest": "sha256:0"}, {"digest": "md5:" + 64 * "0"}])
    def test_what_its_settings_must_not_be(self, settings: dict[str, Any]):
        with pytest.raises(ValidationError):
            loaded(**{"name": "npz", "path": "a.npz", "digest": "sha256:" + 64 * "0"} | settings)


class TestMnistThatIsNotThere:
    def test_says_what_to_do(self, tmp_path: Path):
        for find in (Mnist.require, lambda data: load(data, torch.float32, CPU)):
            with pytest.raises(DataError) as error:
                find(Mnist(root=tmp_path))
            for words in (str(tmp_path), "`grokgrid data get mnist`", "GROKGRID_DATA", "data.root", "MNIST/raw"):
                assert words in str(error.value)

    def test_says_so_too_where_files_are_still_packed(self, tmp_path: Path):
        raw = tmp_path / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
            (raw / f"{name}-ubyte.gz").write_bytes(b"")
        with pytest.raises(DataError, match="not found under"):
            Mnist(root=tmp_path).require()

    @pytest.mark.parametrize("content", [b"", b"hello", bytes([0, 0, 8, 1, 0, 0, 39, 16]) + b"\0" * 100])
    def test_says_so_where_files_are_broken(self, tmp_path: Path, content: bytes):
        raw = tmp_path / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
            (raw / f"{name}-ubyte").write_bytes(content)
        for find in (Mnist.require, lambda data: load(data, torch.float32, CPU)):
            with pytest.raises(DataError, match="not the file that the trial was .*train-images-idx3.*Remove"):
                find(Mnist(root=tmp_path))

    def test_where_it_is_looked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("GROKGRID_DATA", raising=False)
        monkeypatch.delenv("GROKGRID_HOME", raising=False)
        assert data_root().name == "data" and "grokgrid" in data_root().parts
        monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "home"))
        assert data_root() == tmp_path / "home" / "data"
        monkeypatch.setenv("GROKGRID_DATA", str(tmp_path / "data sets"))
        assert data_root() == tmp_path / "data sets"
        assert data_root(tmp_path) == tmp_path


@pytest.mark.mnist
@needs_mnist
class TestMnistDrawnBySeed:
    """So many examples of each class."""

    def drawn(self, seed: int, **settings: Any) -> Data:
        config = TypeAdapter(Dataset).validate_python({"name": "mnist", "num_test": 20, **settings})
        return of_trial(config, torch.float32, torch.device("cpu"), None, seed)

    def test_has_as_many_of_each(self):
        data = self.drawn(0, per_class=3, num_validation=50)
        assert data.y_train.bincount().tolist() == [3] * 10 and data.x_train.shape == (30, 1, 28, 28)
        assert len(data.part("validation")[0]) == 50

    def test_the_seed_draws_them(self):
        one, again, other = (self.drawn(seed, per_class=3).x_train for seed in (0, 0, 1))
        assert torch.equal(one, again) and not torch.equal(one, other)

    def test_none_is_there_twice(self):
        data = self.drawn(5, per_class=20, num_validation=200)
        rows = torch.cat([data.x_train, data.part("validation")[0]]).flatten(1)
        assert len(rows.unique(dim=0)) == 400

    def test_all_are_of_the_training_set(self):
        every = load(TypeAdapter(Dataset).validate_python({"name": "mnist"}), torch.float32, torch.device("cpu"))
        for x, y in zip(*self.drawn(3, per_class=1).part("train"), strict=True):
            same = (every.x_train == x).flatten(1).all(1)
            assert int(every.y_train[same][0]) == int(y)

    def test_the_arms_of_a_seed_share_them(self):
        data = {"name": "mnist", "per_class": 2, "num_test": 20}
        arms = ({}, {"regulariser": {"name": "jacobian", "strength": 0.1}}, {"dtype": "float32", "shuffle": True})
        trials = [tiny_trial(4, data=data, batch_size=20, **arm) for arm in arms]
        drawn = [Training(trial, torch.device("cpu")).data.x_train for trial in trials]
        assert torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], drawn[2])
        assert len({trial.key for trial in trials}) == 3

    def test_another_number_of_examples_is_refused(self):
        with pytest.raises(
            ValidationError, match="num_train: 50 is not allowed beside per_class: 3 of ten classes are"
        ):
            TypeAdapter(Dataset).validate_python({"name": "mnist", "per_class": 3, "num_train": 50})


@needs_mnist
class TestMnist:
    def test_the_first_examples_normalised(self):
        """The first labels of MNIST are widely printed: 5 0 4 1 9 2 1 3 1 4 and 7 2 1 0 4 1 4 9 5 9. A black pixel is
        (0 - 0.1307) / 0.3081, a white one (1 - 0.1307) / 0.3081.
        """
        data = loaded(name="mnist", num_train=1024, num_test=1000)
        assert data.x_train.shape == (1024, 1, 28, 28) and len(data.x_test) == len(data.y_test) == 1000
        assert data.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert data.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
        assert data.num_outputs == 10
        assert float(data.x_train.min()) == pytest.approx(-0.1307 / 0.3081)
        assert float(data.x_train.max()) == pytest.approx((1 - 0.1307) / 0.3081)

    def test_a_changed_label_is_noticed(self, tmp_path: Path):
        root = shutil.copytree(data_root() / "MNIST" / "raw", tmp_path / "MNIST" / "raw")
        labels = root / "t10k-labels-idx1-ubyte"
        labels.chmod(0o644)
        content = bytearray(labels.read_bytes())
        content[-1] ^= 1
        labels.write_bytes(content)
        for find in (Mnist.require, lambda data: load(data, torch.float32, CPU)):
            with pytest.raises(DataError, match="not the file that the trial was .*/t10k-labels-idx1-ubyte"):
                find(Mnist(root=tmp_path))


class TestOnceANode:
    """Large data is read by one process of a node; the others map what it has made of it."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        rng = np.random.default_rng(0)
        arrays = {
            "x_train": rng.normal(size=(500, 300)),
            "y_train": rng.integers(3, size=500),
            "x_test": rng.normal(size=(20, 300)),
            "y_test": rng.integers(3, size=20),
        }
        np.savez(tmp_path / "large.npz", **arrays)
        return tmp_path / "large.npz"

    def settings(self, file: Path, **settings: Any) -> dict[str, Any]:
        return {"name": "npz", "path": file, "digest": digest(read_npz(file)), "num_validation": 10, **settings}

    def test_what_was_read_is_not_read_again(self, file: Path):
        settings = self.settings(file, num_train=480)
        first = loaded(**settings)
        load.cache_clear()
        file.unlink()
        again = loaded(**settings)
        for name in ("x_train", "y_train", "x_test", "y_test", "x_validation", "y_validation"):
            assert torch.equal(getattr(first, name), getattr(again, name))
        assert first.num_outputs == again.num_outputs == 3

    def test_every_process_sees_it_at_multiples_of_64_bytes(self, file: Path, tmp_path: Path):
        """Or the last digits of a matrix product depend on which process was the first."""
        settings = self.settings(file, num_train=477)
        for _ in range(2):  # The one that reads it, and one that maps it into memory.
            load.cache_clear()
            data = loaded(**settings)
            tensors = [data.x_train, data.y_train, data.x_test, data.y_test, data.x_validation, data.y_validation]
            assert all(t is not None and t.is_contiguous() and t.data_ptr() % 64 == 0 for t in tensors)
        (tmp_path / f"grokgrid-data-{os.getuid()}").chmod(0o777)
        load.cache_clear()
        assert loaded(**settings).x_validation.data_ptr() % 64 == 0, "alone, too"  # type: ignore[union-attr]

    def test_other_content_and_other_parts_are_others(self, file: Path):
        settings = self.settings(file, num_train=480)
        whole = loaded(**settings)
        assert loaded(**settings | {"num_train": 400}).x_train.shape == (400, 300)
        assert loaded(torch.float32, **settings).x_train.dtype == torch.float32
        with np.load(file) as arrays:
            np.savez(file, **{**arrays, "x_train": arrays["x_train"] + 1})
        assert not torch.equal(loaded(**self.settings(file, num_train=480)).x_train, whole.x_train)

    def test_what_other_code_made_is_left_to_it(self, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
        """An older version may have written other files."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shared, "code_digest", lambda: "of another version")
            loaded(**self.settings(file, num_train=480))
        (old,) = self.folders(tmp_path)
        load.cache_clear()
        loaded(**self.settings(file, num_train=480))
        assert len(self.folders(tmp_path)) == 2 and old.is_dir() and not caplog.text

    def test_nothing_is_taken_from_a_folder_that_others_can_write_to(self, file: Path, tmp_path: Path):
        (folder := tmp_path / f"grokgrid-data-{os.getuid()}").mkdir(mode=0o777)
        folder.chmod(0o777)
        loaded(**self.settings(file, num_train=480))
        assert list(folder.iterdir()) == []

    def test_what_nobody_opened_for_a_week_goes(self, file: Path, tmp_path: Path):
        loaded(**self.settings(file, num_train=480))
        (old,) = self.folders(tmp_path)
        os.utime(old, (0, 0))
        loaded(**self.settings(file, num_train=470))
        (new,) = self.folders(tmp_path)
        assert new != old

    @staticmethod
    def folders(tmp_path: Path) -> list[Path]:
        return [path for path in (tmp_path / f"grokgrid-data-{os.getuid()}").iterdir() if path.is_dir()]

    @pytest.mark.parametrize(
        "damage",
        [
            lambda folder: os.truncate(folder / "x_train.npy", 5000),
            lambda folder: os.truncate(folder / "x_train.npy", 0),
            lambda folder: (folder / "x_train.npy").unlink(),
            lambda folder: (folder / "SHA256SUMS").write_bytes(b""),
            lambda folder: (folder / "x_train.npy").write_bytes((folder / "x_train.npy").read_bytes()[:-1] + b"\x7f"),
            lambda folder: [path.unlink() for path in folder.iterdir()],
        ],
        ids=["cut", "emptied", "removed", "without checksums", "one byte", "an empty folder"],
    )
    def test_what_is_damaged_is_made_anew(
        self, file: Path, tmp_path: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
    ):
        settings = self.settings(file, num_train=480)
        first = loaded(**settings)
        (folder,) = self.folders(tmp_path)
        for lock in folder.parent.glob("*.lock"):
            lock.write_bytes(b"garbage")
        damage(folder)
        for told in (1, 1):  # What was made anew is whole.
            load.cache_clear()
            again = loaded(**settings)
            assert torch.equal(again.x_train, first.x_train) and torch.equal(again.y_test, first.y_test)
            assert caplog.text.count(f"{folder}: the data that this node shares is damaged: ") == told
        checksums.check(folder)
