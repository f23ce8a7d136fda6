"""Users' own data, made or read by a function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.datasets.base import Dataset, Digest
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import load_plugin, shown

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays
    from trainables.data.inspection import Inspection


class PluginDataset(Plugin, Dataset):
    """make() -> {"x_train", "y_train", "x_test", "y_test"}: arrays as in an .npz file, which a function makes or reads.

    digest  of the arrays, as `grokgrid data digest` prints it, verified when they are loaded. Without it the source and
            the settings stand for the content in the trial's key, and every trial records the digest
    """

    model_config = Plugin.model_config
    interface = Interface()

    digest: Digest | None = None

    @property
    def content_digest(self) -> str | None:
        return self.digest

    @property
    def has_pixels(self) -> None:
        return None

    @property
    def title(self) -> str:
        return f"data {self.name}"

    def require(self) -> None:
        pass

    @property
    def function(self) -> str | None:
        # The same for all numbers of examples that are taken of them.
        return None if self.digest is not None else json.dumps([self.source, self.settings], sort_keys=True)

    def read(self) -> Arrays:
        from trainables.data.arrays import digest
        from trainables.data.read import checked_arrays

        arrays = self._made()
        return checked_arrays(self, arrays, digest(arrays) if self.digest is not None else None)

    def inspect(self) -> Inspection | None:
        from trainables.data.inspection import inspect_arrays
        from trainables.data.read import checked_inspection, used

        return checked_inspection(self, inspect_arrays(self._made(), used(self)))

    def _made(self) -> Arrays:
        """What the function makes, in the right form.

        Raises:
            DataError: it is not that.
        """
        import numpy as np

        from trainables.data.arrays import NAMES, form_problems
        from trainables.data.place import DataError, data_error

        given = load_plugin(self)()
        missing = [name for name in NAMES if name not in given] if isinstance(given, dict) else list(NAMES)
        if missing:
            found = f"is without {', '.join(missing)}" if isinstance(given, dict) else f"is {shown(given)}"
            raise DataError(
                f"{self.title}: what it returned {found}; it must be a dict of the arrays {', '.join(NAMES)}"
            )
        arrays = {name: np.asarray(given[name]) for name in NAMES}
        if problems := list(form_problems(arrays, self.task)):
            raise data_error(self.title, problems)
        return arrays

    def fetch(self) -> Path:
        from trainables.data.place import DataError

        raise DataError(f"data {self.name} is made by a function of yours, and cannot be downloaded")
