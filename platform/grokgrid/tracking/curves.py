"""Curves in the three forms they take: csv in a snapshot, Parquet in MLflow, one tidy table for analyses.

A blank in the csv (a probe was not due) is a null in Parquet; `nan` (it was due and gave no number) stays NaN.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grokgrid.tracking.client import Point
from trainables.evaluations import Goal

if TYPE_CHECKING:
    import pyarrow

POSITION = ("steps", "epochs", "seconds")

MAX_POINTS_A_METRIC = 100
MAX_POINTS = 400
"""For MLflow's pages. A database takes some thousand points a second, a server about one thousand."""


def from_csv(path: Path) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import csv as arrow_csv

    # Else a signal that ends a run cancels the reading with an error of its own.
    pyarrow.enable_signal_handlers(False)
    with path.open(newline="") as file:
        names = next(csv.reader(file))
    types = {name: pyarrow.int64() if name == "steps" else pyarrow.float64() for name in names}
    options = arrow_csv.ConvertOptions(column_types=types, null_values=[""])
    return arrow_csv.read_csv(path, convert_options=options)


def to_csv(table: "pyarrow.Table", path: Path) -> None:
    """The csv that `from_csv` read, to the last digit."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            writer.writerow("" if value is None else repr(value) for value in row)


def first_reached(table: "pyarrow.Table", goal: Goal) -> tuple[float, float] | None:
    """Steps and seconds at the first evaluation after training has begun that meets the goal."""
    if goal.metric not in table.column_names:
        return None
    columns = (table.column(name).to_pylist() for name in ("steps", "seconds", goal.metric))
    for steps, seconds, value in zip(*columns, strict=True):
        if steps and value is not None and goal.met_by(low=value, high=value):
            return steps, seconds
    return None


def sparse(table: "pyarrow.Table", started_ms: int) -> Iterator[Point]:
    """At most `MAX_POINTS_A_METRIC` finite values of each metric, the first and the last among them.

    Their times follow from the run's, so that logging them again changes nothing.
    """
    import numpy

    metrics = [name for name in table.column_names if name not in POSITION]
    num_points = min(MAX_POINTS_A_METRIC, max(10, MAX_POINTS // max(1, len(metrics))))
    steps, seconds = (table.column(name).to_numpy() for name in ("steps", "seconds"))
    for metric in metrics:
        values = table.column(metric).to_numpy()
        rows = numpy.flatnonzero(numpy.isfinite(values))
        for index in numpy.unique(numpy.linspace(0, len(rows) - 1, min(num_points, len(rows))).round().astype(int)):
            row = rows[index]
            yield Point(metric, float(values[row]), int(steps[row]), started_ms + int(1000 * seconds[row]))


def join(tables: Iterable[tuple[str, "pyarrow.Table"]]) -> "pyarrow.Table":
    """One table with a key column from one table a key. Metrics that a trial did not measure are null there."""
    import pyarrow

    def with_key(key: str, table: "pyarrow.Table") -> "pyarrow.Table":
        rows = pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), len(table))
        return table.add_column(0, "key", pyarrow.DictionaryArray.from_arrays(rows, [key]))

    return concat(with_key(key, table) for key, table in tables)


def concat(tables: Iterable["pyarrow.Table"]) -> "pyarrow.Table":
    """One table from several with a key column, or from none. Metrics that are in some only are null elsewhere."""
    import pyarrow

    empty = pyarrow.schema(
        [
            ("key", pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
            ("steps", pyarrow.int64()),
            ("epochs", pyarrow.float64()),
            ("seconds", pyarrow.float64()),
        ]
    ).empty_table()
    return pyarrow.concat_tables([empty, *tables], promote_options="default")
