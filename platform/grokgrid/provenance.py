"""Which grokgrid made a result: for the tags of its runs."""

import os
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

COMMIT = "GROKGRID_COMMIT"
"""Names the commit where grokgrid was sent to from a checkout."""


@cache
def provenance() -> dict[str, str]:
    """The version, and the commit if this is, or was sent from, a checkout; `+` behind it where that had changes of its
    own.
    """
    tags = {"grokgrid.version": version("grokgrid")}
    if (commit := _git("rev-parse", "--short=12", "HEAD")) is not None:
        tags["grokgrid.commit"] = commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    elif os.environ.get(COMMIT):
        tags["grokgrid.commit"] = os.environ[COMMIT]
    return tags


def _git(*command: str) -> str | None:
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        ran = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout.strip() if ran.returncode == 0 else None
