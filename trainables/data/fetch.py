"""Downloading, which a trial never does."""

from pathlib import Path

import torch

from trainables.data.config import MnistConfig
from trainables.data.load import load
from trainables.data.place import DataError, data_root


def fetch_mnist(root: Path | None = None) -> Path:
    """Downloads MNIST through torchvision unless it is there, verifies its digest, and returns the folder.

    Raises:
        DataError: it cannot be downloaded, or is not the MNIST that studies declare.
    """
    from torchvision.datasets import MNIST

    folder = data_root(root)
    try:
        MNIST(folder, download=True)
    except (RuntimeError, OSError, ValueError) as error:
        raise DataError(f"data mnist: cannot be downloaded to {folder}: {error}") from None
    load(MnistConfig(num_train=1, num_test=1, root=folder), torch.float32, torch.device("cpu"))
    return folder
