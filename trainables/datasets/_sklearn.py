"""Where scikit-learn's bundled data lies. Importing scikit-learn would cost every worker seconds."""

from importlib.util import find_spec
from pathlib import Path

from trainables.data.place import DataMissing


def sklearn_folder(title: str) -> Path:
    """Raises:
    DataMissing: scikit-learn is not installed.
    """
    installed = find_spec("sklearn")
    if installed is None or installed.submodule_search_locations is None:
        raise DataMissing(f"{title}: it comes with scikit-learn, which is not installed")
    return Path(installed.submodule_search_locations[0]) / "datasets" / "data"
