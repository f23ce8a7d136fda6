"""USPS, on which networks are tested that were trained on MNIST."""

import bz2
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from scipy.ndimage import zoom
from tiny_trials import TINY
from typer.testing import CliRunner

from grokgrid.cli import app
from trainables.assessments.base import Assessment
from trainables.data.arrays import digest
from trainables.data.load import Data, load
from trainables.data.place import DataError, DataMissing, data_root
from trainables.datasets.base import Dataset
from trainables.datasets.usps import Usps
from trainables.trial import TrialConfig

CPU = torch.device("cpu")

needs_usps = pytest.mark.skipif(
    not (Path(os.environ.get("GROKGRID_DATA", "/nowhere")) / "usps.t.bz2").exists(),
    reason="GROKGRID_DATA names no folder with usps.t.bz2",
)


@pytest.fixture(autouse=True)
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    load.cache_clear()
    yield
    load.cache_clear()


def loaded(**settings: Any) -> Data:
    return load(Usps(**settings), torch.float64, CPU)


def original() -> np.ndarray:
    """The file's pixels, read here: (2007, 16, 16), from 0 to 1 in 255ths, cut off as torchvision does."""
    with bz2.open(data_root() / "usps.t.bz2", "rt") as file:
        rows = [line.split()[1:] for line in file]
    pixels = np.array([[float(value.partition(":")[2]) for value in row] for row in rows], np.float32)
    return np.floor((pixels + 1) / 2 * 255).reshape(-1, 16, 16).astype(np.float64) / 255


@needs_usps
class TestUsps:
    def test_whole(self):
        """Of the test digits of USPS 359 are zeros, 264 ones, and so on: the table in the data's own description (The
        Elements of Statistical Learning, zip.info).
        """
        data = loaded()
        assert data.x_test.shape == (2007, 1, 28, 28) and data.y_test.dtype == torch.int64
        assert data.y_test.bincount().tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
        assert (float(data.x_test.min()), float(data.x_test.max())) == (0, 1)
        assert data.has_pixels and data.num_outputs == 10 and len(data.x_train) == len(data.y_train) == 0
        assert torch.equal(data.normalisation.undone(data.x_test), data.x_test)

    def test_resized_as_scipy_does(self):
        """With pixels as squares (grid_mode), or as points, the corners of which lie on each other."""
        small = original()[:50]
        for align_corners, squares in ((False, {"grid_mode": True, "mode": "nearest"}), (True, {})):
            theirs = zoom(small, (1, 28 / 16, 28 / 16), order=1, **squares)
            ours = loaded(align_corners=align_corners, num_test=50).x_test[:, 0].numpy()
            np.testing.assert_allclose(ours, theirs, atol=1e-9)

    def test_the_two_ways_differ(self):
        corners = loaded(align_corners=True).x_test
        assert float((corners - loaded().x_test).abs().max()) > 0.1
        small = torch.from_numpy(original())
        for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            torch.testing.assert_close(corners[:, 0][:, *corner], small[:, *corner])

    def test_resized_as_torchvision_does(self):
        from torchvision.transforms.functional import resize

        theirs = resize(torch.from_numpy(original())[:, None], [28, 28])
        torch.testing.assert_close(loaded().x_test, theirs)

    def test_the_first_in_file_order(self):
        part = loaded(num_test=30)
        assert torch.equal(part.x_test, loaded().x_test[:30])
        with pytest.raises(ValidationError, match="num_test"):
            Usps(num_test=2008)

    def test_its_declared_digest_is_that_of_the_images_before_they_are_resized(self):
        arrays = {
            "x_train": np.zeros((0, 16, 16), np.uint8),
            "y_train": np.zeros(0, np.int64),
            "x_test": (original() * 255).round().astype(np.uint8),
            "y_test": loaded().y_test.numpy(),
        }
        assert digest(arrays) == Usps().content_digest == Usps(align_corners=True).content_digest

    def test_other_content_is_noticed(self, tmp_path: Path):
        lines = bz2.decompress((data_root() / "usps.t.bz2").read_bytes()).splitlines(keepends=True)
        (tmp_path / "usps.t.bz2").write_bytes(bz2.compress(b"".join([*lines[1:], lines[0]])))
        with pytest.raises(DataError, match="not the data set that the trial was defined on"):
            loaded(root=tmp_path)

    def test_is_there_to_get(self):
        """What is there is verified, and nothing downloaded."""
        ran = CliRunner().invoke(app, ["data", "get", "usps"])
        assert (ran.exit_code, ran.stdout) == (0, f"{data_root()}\n")


class TestWithoutTheFile:
    def test_says_what_to_do(self, tmp_path: Path):
        for find in (Usps.require, Usps.read):
            with pytest.raises(DataMissing) as error:
                find(Usps(root=tmp_path))
            for words in (str(tmp_path), "`grokgrid data get usps`", "GROKGRID_DATA", "data.root", "(usps.t.bz2)"):
                assert words in str(error.value)

    @pytest.mark.parametrize(
        "content", [b"", b"hello", bz2.compress(b"1 1:-1 2:-1\n"), bz2.compress(b"\n"), bz2.compress(b"1" * 999)[:30]]
    )
    def test_says_what_to_do_where_the_file_is_damaged(self, tmp_path: Path, content: bytes):
        (tmp_path / "usps.t.bz2").write_bytes(content)
        with pytest.raises(DataError, match="(cannot be read.*`grokgrid data get usps`|not the data set)"):
            loaded(root=tmp_path)


class TestNothingTrainsOnIt:
    @pytest.mark.parametrize(
        "around", [TINY | {"model": "lenet"}, {"procedure": {"name": "ridge", "strength": 0.1}, "budget": {"steps": 5}}]
    )
    @pytest.mark.parametrize("data", ["usps", {"name": "usps", "align_corners": True}])
    def test_a_trial_refuses_it(self, around: dict[str, Any], data: Any):
        with pytest.raises(ValidationError, match="data: 'usps' has test examples alone, and nothing can be trained"):
            TrialConfig.model_validate(around | {"data": data})

    @pytest.mark.parametrize("settings", [{"num_train": 10}, {"num_validation": 10}])
    def test_has_no_examples_to_train(self, settings: dict[str, Any]):
        with pytest.raises(ValidationError):
            Usps(**settings)

    def test_an_assessment_takes_it(self):
        for on, align_corners in (("usps", False), ({"name": "usps", "align_corners": True}, True)):
            assessment = TypeAdapter(Assessment).validate_python({"name": "accuracy", "on": on})
            assert assessment.on == Usps(align_corners=align_corners)

    def test_the_others_can_be_trained_on(self):
        kinds = {name: Dataset.named(name) for name in Dataset.names()}
        assert [name for name, kind in kinds.items() if kind.test_only] == ["usps"]
