"""Holding the arrays of a data set against its settings."""

from trainables.data.arrays import Arrays, digest
from trainables.data.content import Used, untrainable
from trainables.data.inspection import Inspection
from trainables.data.place import DataError, data_error
from trainables.datasets.base import Dataset


def used(data: Dataset) -> Used:
    return Used(data.num_train, data.num_validation, data.num_test, data.task, data.is_standardised)


def checked_arrays(data: Dataset, arrays: Arrays, found: str | None) -> Arrays:
    """The arrays of users' own data. found: their digest; None where nothing declares one.

    Raises:
        DataError: the digest is not the declared one, there are fewer examples than asked for, or they cannot be
            trained on.
    """
    if found is not None:
        _same_digest(data, found)
    _enough(data, len(arrays["x_train"]), len(arrays["x_test"]))
    if problems := list(untrainable(arrays, used(data))):
        raise data_error(data.title, problems)
    return arrays


def checked_inspection(data: Dataset, found: Inspection) -> Inspection:
    """The same without the arrays, with all that `check_content` finds.

    Raises:
        DataError: as `checked_arrays` does, and where the content is certainly wrong.
    """
    if data.content_digest is not None:
        _same_digest(data, found.digest)
    _enough(data, found.num_train, found.num_test)
    if found.findings.refusals:
        raise data_error(data.title, found.findings.refusals)
    return found


def same_digest(data: Dataset, arrays: Arrays) -> None:
    """Raises:
    DataError: the arrays are not those that the data set stands for.
    """
    _same_digest(data, digest(arrays))


def _enough(data: Dataset, num_train: int, num_test: int) -> None:
    for part, num, there in (("train", data.num_train, num_train), ("test", data.num_test, num_test)):
        if num is not None and num > there:
            raise DataError(f"data {data.name}: num_{part} is {num}, there are {there} examples")
    num_trained, num_validation = data.num_train or 0, data.num_validation
    if num_validation and num_trained + num_validation > num_train:
        raise DataError(
            f"{data.title}: num_validation is {num_validation}, and {num_trained} of {num_train} examples are trained"
            f" on: at most {max(0, num_train - num_trained)} can be held out"
        )


def _same_digest(data: Dataset, found: str) -> None:
    if found != data.content_digest:
        raise DataError(
            f"data {data.name}: the content's digest is {found}, the configuration declares {data.content_digest}."
            " The files are not the data set that the trial was defined on."
        )
