"""What a data set is.

Each stands for the digest of its content, which is part of the trial key and verified when the data is loaded: planning
needs no data, and a trial cannot silently be trained on something else.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import model_validator

from trainables.component import Component
from trainables.configuration import Bool, NonNegativeInt, PositiveInt, spelled
from trainables.tasks import Task
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.data.arrays import Arrays
    from trainables.data.inspection import Inspection

Digest = Annotated[
    str, spelled(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits, as `grokgrid data digest` prints")
]


class Dataset(Component):
    """The first `num_train` training and `num_test` test examples of a data set, in file order.

    task            what a network is asked for
    num_validation  so many of the training examples behind the first `num_train` are held out, to choose by
    unit_norm       each example is divided by its norm, in the place of a normalisation by fixed means and standard
                    deviations. Its values are no pixels then

    test_only       whether it has test examples alone, which assessments measure trained networks on
    """

    test_only: ClassVar[bool] = False

    task: Task = "classification"
    num_train: PositiveInt | None = None
    num_validation: NonNegativeInt = 0
    num_test: PositiveInt | None = None
    unit_norm: Bool = False

    @property
    def num_available(self) -> int | None:
        """Training examples that there are; None if only the data itself says."""
        return None

    @property
    def shape(self) -> tuple[tuple[int, ...], int] | None:
        """The shape of an example, of images (channels, height, width), and the number of outputs of a network for it;
        None if only the data itself says.
        """
        return None

    @property
    def is_drawn(self) -> bool:
        """Whether the trial's seed draws which examples train, or the examples themselves."""
        return False

    def draw(self, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The rows of the training and of the validation examples, if they are drawn. labels: (examples,) of all."""
        raise NotImplementedError

    @property
    def has_pixels(self) -> bool | None:
        """Whether inputs are pixels in [0, 1] before they are normalised; None if only the data itself says."""
        return False

    @property
    @abstractmethod
    def content_digest(self) -> str | None:
        """The digest of its content; None if nothing declares it."""

    @property
    def function(self) -> str | None:
        """What decides the arrays, as text, if a function makes them and nothing declares their digest; else None."""
        return None

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The means that are subtracted from the inputs, and the standard deviations that they are divided by then: one
        each, or one for each channel of images and each coordinate of vectors.
        """
        return (0.0,), (1.0,)

    @property
    def is_standardised(self) -> bool:
        """Whether each coordinate of the inputs, and each target of a regression, is normalised by its mean and
        standard deviation over the training examples that are used, in the place of `normalisation`.
        """
        return False

    @property
    @abstractmethod
    def title(self) -> str:
        """What messages call it."""

    @abstractmethod
    def require(self) -> None:
        """Raises DataError if its files are not there; asked before a study starts, without loading anything."""

    @abstractmethod
    def read(self) -> Arrays:
        """The whole arrays, held against the settings.

        Raises:
            DataError: the data is missing, is not what the settings declare, or is certainly wrong.
        """

    def read_drawn(self, seed: int) -> Arrays:
        """The arrays that the trials of this seed draw their examples from."""
        return self.read()

    @abstractmethod
    def inspect(self) -> Inspection | None:
        """What is known of users' own data without holding it; None of a data set that ships, which is known to be
        well. Raises what `read` raises.
        """

    @abstractmethod
    def fetch(self) -> Path:
        """Downloads it unless it is there, verifies it, and returns its folder.

        Raises:
            DataError: it cannot be downloaded, or is not what studies declare.
        """

    def refuse_if_test_only(self) -> None:
        """Raises:
        ValueError: nothing can be trained on it.
        """
        if self.test_only:
            raise ValueError(
                f"{self.name!r} has test examples alone, and nothing can be trained on it: assessments measure trained"
                f" networks on it, with `on: {self.name}`"
            )

    @model_validator(mode="after")
    def _are_enough(self) -> Self:
        if self.num_validation and self.num_train is None:
            raise ValueError("num_validation needs num_train: examples held out lie behind those")
        there = self.num_available
        if there is not None and (self.num_train or 0) > there:
            wrong = f"{self.num_train:,} is not allowed: there are {there:,}"
            raise ValidationErrors("data", [Problem(("num_train",), wrong)])
        if there is not None and (self.num_train or 0) + self.num_validation > there:
            wrong = (
                f"{self.num_validation} is not allowed: of {there:,} examples {self.num_train:,} train, so at most"
                f" {there - (self.num_train or 0):,} can be held out"
            )
            raise ValidationErrors("data", [Problem(("num_validation",), wrong)])
        return self
