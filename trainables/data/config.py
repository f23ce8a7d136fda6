"""Settings of the data sets.

Each declares the digest of its content, which is part of the trial key and verified when the data is loaded: planning
needs no data, and a trial cannot silently be trained on something else.
"""

import json
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import NOT_IN_KEY, Config, NonNegativeInt, PositiveInt, spelled
from trainables.plugins.config import PluginConfig, component
from trainables.validation import Problem, ValidationErrors

DIGITS_DIGEST = "sha256:1ce055a110bc2450adee82b27d03d46cc63571c890cebd5b15af01e0d95dd97b"
MNIST_DIGEST = "sha256:d3bba0ce073901b7c0c5264630a1d97b21d250061900b89e8cafc17b2d4840de"

Digest = Annotated[
    str, spelled(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits, as `grokgrid data digest` prints")
]


class _HeldOut(Config):
    """num_validation: so many of the training examples behind the first `num_train` are held out, to choose by."""

    num_train: PositiveInt | None = None
    num_validation: NonNegativeInt = 0
    _num_examples: ClassVar[int | None] = None

    @model_validator(mode="after")
    def _are_enough(self) -> Self:
        if self.num_validation and self.num_train is None:
            raise ValueError("num_validation needs num_train: examples held out lie behind those")
        if self._num_examples and (self.num_train or 0) + self.num_validation > self._num_examples:
            wrong = (
                f"{self.num_validation} is not allowed: of {self._num_examples:,} examples {self.num_train:,} train, "
                f"so at "
                f"most {self._num_examples - (self.num_train or 0):,} can be held out"
            )
            raise ValidationErrors("data", [Problem(("num_validation",), wrong)])
        return self


class DigitsConfig(_HeldOut):
    """scikit-learn's bundled 1,797 handwritten digits of 8 x 8 pixels: the first 1,000 train, the other 797 test.

    The first `num_train` and `num_test` of each, in file order; pixels scaled to [0, 1], then normalised with the
    mean and standard deviation of the first 1,000.
    """

    _num_examples = 1000

    name: Literal["digits"] = "digits"
    num_train: Annotated[PositiveInt, Field(le=1000)] = 1000
    num_test: Annotated[PositiveInt, Field(le=797)] = 797

    @property
    def digest(self) -> str:
        return DIGITS_DIGEST


class MnistConfig(_HeldOut):
    """MNIST: the first `num_train` and `num_test` examples in file order, pixels scaled to [0, 1], then normalised with
    mean 0.1307 and standard deviation 0.3081.

    `root` is torchvision's folder; by default GROKGRID_DATA, else the data folder under grokgrid's home.
    """

    _num_examples = 60000

    name: Literal["mnist"] = "mnist"
    num_train: Annotated[PositiveInt, Field(le=60000)] = 60000
    num_test: Annotated[PositiveInt, Field(le=10000)] = 10000
    root: Annotated[Path | None, NOT_IN_KEY] = None

    @property
    def digest(self) -> str:
        return MNIST_DIGEST


class NpzConfig(_HeldOut):
    """Arrays of one's own: x_train, y_train, x_test, y_test in one .npz file.

    x: (examples, …), floating point as it is, or uint8, which is scaled to [0, 1]. y: (examples,), integer classes from
    0. `grokgrid data digest FILE` prints the digest.
    """

    name: Literal["npz"] = "npz"
    path: Annotated[Path, NOT_IN_KEY]
    digest: Digest
    num_train: PositiveInt | None = None
    num_test: PositiveInt | None = None

    @model_validator(mode="after")
    def _is_npz(self) -> Self:
        if self.path.suffix != ".npz":
            raise ValueError(f"path must end in .npz, not {self.path.name!r}")
        return self


class PluginDataConfig(_HeldOut, PluginConfig):
    """Arrays that a function of one's own makes or reads: x_train, y_train, x_test, y_test, as in an .npz file.

    digest  of the arrays, as `grokgrid data digest` prints it, verified when they are loaded. Without it the source and
            the settings stand for the content in the trial's key, and every trial records the digest
    """

    kind = "data"

    digest: Digest | None = None
    num_train: PositiveInt | None = None
    num_test: PositiveInt | None = None

    @property
    def function(self) -> str:
        """What decides the arrays, as text: the same for all numbers of examples that are taken of them."""
        return json.dumps([self.source, self.settings], sort_keys=True)


DataConfig = component(PluginDataConfig, DigitsConfig, MnistConfig, NpzConfig)
