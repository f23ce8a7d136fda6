"""Tables that probes measure: the rows of all evaluations of a trial, a Parquet file a table.

    steps  epochs  index  eigenvalue
        0     0.0      0        12.5
        0     0.0      1         3.1
      300     1.0      0        14.0

pyarrow is imported where there is a table, and not else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.validation import Problem, ValidationErrors, shown

Columns = dict[str, NDArray[Any]]
"""Column -> its values (rows,)."""

POSITION = ("steps", "epochs")
"""The first columns of every table that probes measure."""


def columns_of(name: str, given: Any) -> Columns:
    """What a probe gave for a table at one evaluation, as arrays.

    Raises:
        ValidationErrors: it is no table.
    """
    if not isinstance(given, Mapping) or not given:
        raise _problem(name, f"should be a dict of columns, not {shown(given)}")
    columns = {str(column): _array(name, column, values) for column, values in given.items()}
    lengths = {column: len(values) for column, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{column} has {length}" for column, length in lengths.items())
        raise _problem(name, f"has columns of different lengths: {told}")
    return columns


def _array(name: str, column: Any, values: Any) -> NDArray[Any]:
    if not isinstance(column, str) or column in POSITION:
        raise _problem(name, f"has a column {shown(column)}: names are texts other than {' and '.join(POSITION)}")
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "biuf":
        what = f"an array of shape {values.shape}" if isinstance(values, np.ndarray) else shown(values)
        raise _problem(name, f"has {what} as column {column}: it should be numbers, a tensor or an array of one axis")
    # A copy: a probe may go on to change it.
    return values.copy()


def _problem(name: str, wrong: str) -> ValidationErrors:
    return ValidationErrors("probes", [Problem((), f"table {name} {wrong}")])


@final
class Tables:
    """Those of one trial so far."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Columns]] = {}

    def add(self, tables: Mapping[str, Columns], position: Mapping[str, float]) -> None:
        """The rows of one evaluation. position: the columns that say where it was, the same for all rows.

        Raises:
            ValidationErrors: a table has other columns than before.
        """
        for name, columns in tables.items():
            parts = self._parts.setdefault(name, [])
            num = len(next(iter(columns.values())))
            rows = {**{name: np.full(num, value) for name, value in position.items()}, **columns}
            if parts and list(parts[0]) != list(rows):
                before = ", ".join(column for column in parts[0] if column not in POSITION)
                raise _problem(name, f"has the columns {', '.join(columns)} now, before {before}")
            parts.append(rows)

    def write(self, folder: Path) -> None:
        """A file a table, `NAME.parquet`; the folder is made if there are any."""
        if not self._parts:
            return
        import pyarrow
        import pyarrow.parquet

        folder.mkdir()
        for name, parts in self._parts.items():
            whole = {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}
            self._parts[name] = [whole]
            pyarrow.parquet.write_table(pyarrow.table(whole), folder / f"{name}.parquet", compression="zstd")

    def read(self, folder: Path) -> None:
        """What `write` wrote."""
        for path in folder.glob("*.parquet"):
            import pyarrow.parquet

            table = pyarrow.parquet.read_table(path)
            self._parts[path.stem] = [{name: table[name].to_numpy() for name in table.column_names}]
