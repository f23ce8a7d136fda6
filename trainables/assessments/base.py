"""What an assessment is, and what it sees of a batch of examples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import PlainValidator, TypeAdapter

from trainables.component import Component
from trainables.configuration import NOT_IN_KEY, PositiveInt, spelled
from trainables.datasets.base import Dataset
from trainables.tasks import Task
from trainables.validation import nearest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.tables import Columns

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Label = Annotated[str, spelled(r"[A-Za-z]\w{0,31}", "a letter, then up to 31 letters, digits and _: it names metrics")]


@dataclass(frozen=True)
class AssessedNetwork:
    """A trained network as it is evaluated, as a function of its inputs before they are normalised.

    outputs     x (examples, …) -> (examples, num_outputs), differentiable by x; it normalises x itself
    has_pixels  whether x are pixels, which lie in [0, 1]
    """

    outputs: Callable[[Tensor], Tensor]
    task: Task
    num_outputs: int
    dtype: torch.dtype
    has_pixels: bool

    def __call__(self, x: Tensor) -> Tensor:
        return self.outputs(x)


@dataclass(frozen=True)
class AssessmentInput:
    """What an assessment sees: a network and a batch of examples.

    source    another network, that of another seed, if the assessment `needs_source`
    x         inputs before they are normalised (examples, …): pixels in [0, 1] where the data has them
    y         labels (examples,), or targets (examples, outputs)
    examples  the number of each example in its split (examples,)
    seed      the trial's
    """

    network: AssessedNetwork
    source: AssessedNetwork | None
    x: Tensor
    y: Tensor
    examples: Tensor
    seed: int

    def draw(self, what: str, make: Callable[[torch.Generator], Tensor]) -> Tensor:
        """What `make` draws for each example, stacked, on the examples' device.

        A draw depends on the trial's seed, on `what` and on the example, and so neither on the size of batches nor on
        which other examples are assessed. what: tells apart the draws of an assessment.
        """
        import torch

        from trainables.randomness import Stream, generator, words

        index = words(what)
        drawn = [make(generator(self.seed, Stream.ASSESSMENTS, *index, int(number))) for number in self.examples]
        return torch.stack(drawn).to(self.x.device)


def _split_or_data(on: Any) -> Any:
    """One error where a union would have one a member."""
    if on in SPLITS or isinstance(on, Dataset):
        return on
    if isinstance(on, str) and on not in Dataset.names() and ":" not in on:
        raise ValueError(f"{on!r} is not known; {nearest(on, (*SPLITS, *Dataset.names()))}")
    return TypeAdapter(Dataset).validate_python(on)


class Assessment(Component):
    """A measurement of a trained network, example by example.

    label         names it in the study and begins the names of its metrics; by default the assessment's name
    network       last: the one where training ended; kept: all that the trial kept on the way
    on            the part of the trial's data that it takes examples from, or another data set, of which it takes the
                  test examples
    num_examples  that many, drawn by the trial's seed, so that all arms of a seed share them; None for all
    batch_size    examples at once; after each batch a snapshot may be saved

    needs_pixels  whether inputs must be pixels in [0, 1]
    needs_source  whether it takes the network of another seed as well
    """

    needs_pixels: ClassVar[bool] = False
    needs_source: ClassVar[bool] = False

    label: Annotated[Label | None, NOT_IN_KEY] = None
    network: Annotated[Literal["last", "kept"], NOT_IN_KEY] = "last"
    on: Annotated[Split | Dataset, PlainValidator(_split_or_data)] = "test"
    num_examples: PositiveInt | None = None
    batch_size: Annotated[PositiveInt, NOT_IN_KEY] = 250

    @property
    def title(self) -> str:
        """The label, or the name."""
        return self.label or self.name

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """The names of its metrics; those of a study begin with its title."""

    @abstractmethod
    def assess(self, at: AssessmentInput) -> Columns:
        """Column -> values, rows of a table: one an example, or one an example and size. All batches have the same
        columns. Each row has the column `example`.
        """

    @abstractmethod
    def summarise(self, rows: Columns) -> Mapping[str, float]:
        """Metric -> value, from the rows of all batches."""

    @property
    def passes(self) -> float:
        """About how many forward and backward passes an example costs, for a plan's estimates; a forward pass alone is
        about half of one.
        """
        return 0.5

    def unfit(self, *, task: Task, num_outputs: int, dtype: str) -> str | None:
        """Why it cannot be made of a network with so many outputs, if so: `serves` and `needs_pixels` are checked
        beside it.
        """
        return None
