"""The classes of a data set, for checks that import no torch."""

from trainables.datasets.base import Dataset


def no_such_class(label: int, data: Dataset) -> str | None:
    """Why the data has no example of that class, if that is known."""
    if data.shape is None:
        return None
    num_classes = max(2, data.shape[1])
    return (
        None
        if label < num_classes
        else f"there is no class {label}: the classes of {data.title} are 0 to {num_classes - 1}"
    )
