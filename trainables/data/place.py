"""Where data lies, and whether it is there: asked before a study starts, without loading anything."""

import os
from pathlib import Path

from trainables.data.config import DigitsConfig, MnistConfig, NpzConfig, OwnDataConfig


class DataError(Exception):
    """Data that is missing or is not what the configuration declares; the message says what to do."""


def data_root(root: Path | None = None) -> Path:
    """Where data sets lie: `root`, else GROKGRID_DATA, else `data` under grokgrid's home."""
    if root is not None:
        return root
    for variable, inside in (("GROKGRID_DATA", "."), ("GROKGRID_HOME", "data")):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser().absolute() / inside
    # Only here: one trial by itself runs without it where it is told where things are.
    import platformdirs

    return platformdirs.user_data_path("grokgrid", appauthor=False) / "data"


_MNIST_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


def check_present(config: DigitsConfig | MnistConfig | NpzConfig | OwnDataConfig) -> None:
    """Raises:
    DataError: the data's files are not there.
    """
    if isinstance(config, NpzConfig) and not config.path.exists():
        raise DataError(f"data npz: {config.path} is not there")
    if isinstance(config, MnistConfig):
        root = data_root(config.root)
        # Unpacked, as torchvision leaves them and insists on.
        if not all((root / "MNIST" / "raw" / name).exists() for name in _MNIST_FILES):
            raise DataError(
                f"data mnist: not found under {root}. `grokgrid data get mnist` downloads it there;"
                " GROKGRID_DATA or data.root points to another folder in torchvision's layout (MNIST/raw/…)."
            )
