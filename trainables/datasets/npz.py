"""Users' own arrays, in a file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import model_validator

from trainables.configuration import NOT_IN_KEY, Bool
from trainables.datasets.base import Dataset, Digest
from trainables.tasks import TASKS

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays
    from trainables.data.inspection import Inspection


class Npz(Dataset):
    """Arrays of users: x_train, y_train, x_test, y_test in one .npz file.

    x: (examples, …), images (examples, channels, height, width): floating point as it is, or uint8, which is scaled to
    pixels in [0, 1]. y: (examples,), integer classes from 0; 0 and 1 of a binary task; (examples,) or (examples,
    targets) numbers of a regression.

    standardise  each coordinate of the inputs, and each target of a regression, by its mean and standard deviation over
                 the training examples that are used
    digest       of the arrays, as `grokgrid data digest FILE` prints it: with another one nothing runs. By default that
                 of the file as it is, which is read once for it
    """

    name: Literal["npz"] = "npz"
    path: Annotated[Path, NOT_IN_KEY]
    standardise: Bool = False
    digest: Annotated[Digest | None, NOT_IN_KEY] = None

    @classmethod
    def pinned(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """With the digest of the file as it is now; without it where the file is not there or cannot be read, which is
        refused when somebody needs it.
        """
        from trainables.data.inspection import npz_digest
        from trainables.data.place import DataError

        path = settings.get("path")
        if settings.get("digest") is None and isinstance(path, str | Path) and Path(path).suffix == ".npz":
            with suppress(DataError):
                task = settings.get("task", "classification")
                return {**settings, "digest": npz_digest(Path(path), task if task in TASKS else "classification")}
        return dict(settings)

    @model_validator(mode="before")
    @classmethod
    def _read_digest(cls, value: Any) -> Any:
        return cls.pinned(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _is_npz(self) -> Self:
        if self.path.suffix != ".npz":
            raise ValueError(f"path must end in .npz, not {self.path.name!r}")
        return self

    @property
    def content_digest(self) -> str:
        from trainables.data.inspection import npz_digest

        return self.digest or npz_digest(self.path, self.task)

    @property
    def has_pixels(self) -> bool | None:
        return False if self.standardise or self.unit_norm else None

    @property
    def is_standardised(self) -> bool:
        return self.standardise

    @property
    def title(self) -> str:
        return f"data npz: {self.path}"

    def require(self) -> None:
        from trainables.data.place import opened

        with opened(self.path):
            pass

    def read(self) -> Arrays:
        from trainables.data.inspection import read_npz_and_digest
        from trainables.data.read import checked_arrays

        return checked_arrays(self, *read_npz_and_digest(self.path, self.task))

    def inspect(self) -> Inspection | None:
        from trainables.data.inspection import inspect_npz
        from trainables.data.read import checked_inspection, used

        return checked_inspection(self, inspect_npz(self.path, used(self)))

    def fetch(self) -> Path:
        from trainables.data.place import DataError

        raise DataError(f"data npz: {self.path} is a file of yours, which cannot be downloaded")
