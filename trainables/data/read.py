"""The arrays of a data set, as they lie in its files or as a function makes them, held against its settings."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.arrays import NAMES, Arrays, digest, form_problems
from trainables.data.config import DigitsConfig, MnistConfig, NpzConfig, PluginDataConfig
from trainables.data.content import Used, untrainable
from trainables.data.inspection import Inspection, inspect_arrays, inspect_npz, read_npz_and_digest
from trainables.data.place import DataError, check_present, data_error, data_root
from trainables.plugins.loading import load_plugin, shown

AnyConfig = DigitsConfig | MnistConfig | NpzConfig | PluginDataConfig


def read_checked(config: AnyConfig) -> Arrays:
    """The whole arrays, of which there are as many examples as are asked for.

    Raises:
        DataError: the data is missing, its digest is not the declared one, there are fewer examples, or it cannot be
            trained on.
    """
    if not isinstance(config, NpzConfig | PluginDataConfig):
        arrays = _READERS[type(config)](config)
        _same_digest(config, digest(arrays))
        return arrays
    if isinstance(config, NpzConfig):
        arrays, found = read_npz_and_digest(config.path)
        _same_digest(config, found)
    else:
        arrays = read_own(config)
        if config.digest is not None:
            _same_digest(config, digest(arrays))
    _enough(config, len(arrays["x_train"]), len(arrays["x_test"]))
    if problems := list(untrainable(arrays, _used(config))):
        raise data_error(data_name(config), problems)
    return arrays


def inspect(config: NpzConfig | PluginDataConfig) -> Inspection:
    """The same without the arrays, in an instant for a file that was read before; with all that `check_content` finds.

    Raises:
        DataError: as `read_checked` does, and where the content is certainly wrong.
    """
    if isinstance(config, NpzConfig):
        found = inspect_npz(config.path, _used(config))
    else:
        found = inspect_arrays(read_own(config), _used(config))
    if config.digest is not None:
        _same_digest(config, found.digest)
    _enough(config, found.num_train, found.num_test)
    if found.findings.refusals:
        raise data_error(data_name(config), found.findings.refusals)
    return found


def inspect_file(path: Path) -> Inspection:
    """The inspection of a whole .npz file.

    Raises:
        DataError: it cannot be read, or its content is certainly wrong.
    """
    inspection = inspect_npz(path, Used())
    if inspection.findings.refusals:
        raise data_error(f"data npz: {path}", inspection.findings.refusals)
    return inspection


def data_name(config: AnyConfig) -> str:
    """For messages."""
    return f"data npz: {config.path}" if isinstance(config, NpzConfig) else f"data {config.name}"


def _used(config: NpzConfig | PluginDataConfig) -> Used:
    return Used(config.num_train, config.num_validation, config.num_test)


def _enough(config: NpzConfig | PluginDataConfig, num_train: int, num_test: int) -> None:
    """Raises:
    DataError: the settings ask for more examples than there are.
    """
    for part, num, there in (("train", config.num_train, num_train), ("test", config.num_test, num_test)):
        if num is not None and num > there:
            raise DataError(f"data {config.name}: num_{part} is {num}, there are {there} examples")
    num_trained, num_validation = config.num_train or 0, config.num_validation
    if num_validation and num_trained + num_validation > num_train:
        raise DataError(
            f"data {config.name}: num_validation is {num_validation}, of {num_train} examples {num_trained} are"
            " trained on"
        )


def _same_digest(config: AnyConfig, found: str) -> None:
    if found != config.digest:
        raise DataError(
            f"data {config.name}: the content's digest is {found}, the configuration declares {config.digest}."
            " The files are not the data set that the trial was defined on."
        )


def read_own(config: PluginDataConfig) -> Arrays:
    """What a function of one's own makes, in the right form.

    Raises:
        DataError: it is not that.
    """
    given, what = load_plugin(config)(), data_name(config)
    missing = [name for name in NAMES if name not in given] if isinstance(given, dict) else list(NAMES)
    if missing:
        found = f"is without {', '.join(missing)}" if isinstance(given, dict) else f"is {shown(given)}"
        raise DataError(f"{what}: what it returned {found}; it must be a dict of the arrays {', '.join(NAMES)}")
    arrays = {name: np.asarray(given[name]) for name in NAMES}
    if problems := list(form_problems(arrays)):
        raise data_error(what, problems)
    return arrays


def read_digits(config: DigitsConfig) -> Arrays:
    # The file behind sklearn.datasets.load_digits. Importing scikit-learn takes seconds, which every worker would pay.
    installed = find_spec("sklearn")
    if installed is None or installed.submodule_search_locations is None:
        raise DataError("data digits: they come with scikit-learn, which is not installed")
    file = Path(installed.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",")
    x, y = table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1].astype(np.int64)
    return {"x_train": x[:1000], "y_train": y[:1000], "x_test": x[1000:], "y_test": y[1000:]}


def _read_mnist(config: MnistConfig) -> Arrays:
    from torchvision.datasets import MNIST

    root = data_root(config.root)
    check_present(config)
    train, test = MNIST(root, train=True, download=False), MNIST(root, train=False, download=False)
    return {
        "x_train": train.data.numpy(),
        "y_train": train.targets.numpy(),
        "x_test": test.data.numpy(),
        "y_test": test.targets.numpy(),
    }


_READERS: dict[type, Callable[[Any], Arrays]] = {DigitsConfig: read_digits, MnistConfig: _read_mnist}
