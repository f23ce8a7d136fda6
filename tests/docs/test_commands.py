"""The commands of the documentation, run as they are written.

Blocks marked ```bash are commands. Those of a page are one session, with a home of its own, in a folder that looks like
the checkout and in which the page's studies lie, blocks marked ```yaml that begin with a name, and its programs, blocks
marked ```python that begin with a comment, `# my_file.py`. A comment before a block
says why it is not run here, if it is not:

    <!-- not run: needs an AWS account -->
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import end_all_with

ROOT = Path(__file__).parents[2]
_STUDY = re.compile(r"^```yaml\n(?P<study>name: (?P<name>[\w-]+).+?)^```$", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(r"^```python\n(?P<program># (?P<file>\w+\.py)\n.+?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```bash\n(?P<commands>.+?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """reason: why it is not run."""

    commands: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    return [Block(found["commands"], found["reason"]) for found in _BLOCK.finditer(page.read_text())]


PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if blocks(page)]
QUICK = {"README.md"}
RUN = [
    pytest.param(page, marks=() if page.name in QUICK else pytest.mark.slow, id=page.name)
    for page in PAGES
    if any(block.reason is None for block in blocks(page))
]


def lay_out(folder: Path, page: Path) -> None:
    folder.mkdir()
    for entry in ROOT.iterdir():
        (folder / entry.name).symlink_to(entry)
    for found in _STUDY.finditer(page.read_text()):
        (folder / f"{found['name']}.yaml").write_text(found["study"])
    for found in _PROGRAM.finditer(page.read_text()):
        (folder / found["file"]).write_text(found["program"])


@pytest.fixture
def home() -> Iterator[Path]:
    """A user's home with nothing in it; what was started with it ends."""
    with tempfile.TemporaryDirectory(prefix="docs-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        end_all_with("GROKGRID_HOME", f"{folder}/grokgrid")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_shell(page: Path):
    for block in blocks(page):
        checked = subprocess.run(["bash", "-n"], input=block.commands, capture_output=True, text=True)
        assert checked.returncode == 0 and not checked.stderr, (block.commands, checked.stderr)


@pytest.mark.ray
@pytest.mark.parametrize("page", RUN)
def test_what_can_be_run_here_runs(page: Path, home: Path):
    session = "\n".join(["set -euo pipefail", *(block.commands for block in blocks(page) if block.reason is None)])
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GROKGRID_", "MLFLOW_"))
    } | {
        "HOME": str(home),
        "GROKGRID_HOME": str(home / "grokgrid"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    lay_out(home / "checkout", page)
    log = home / "log"
    with log.open("w") as file:  # No pipe: what runs on in the background would keep it open.
        ran = subprocess.run(
            ["bash"], input=session, text=True, cwd=home / "checkout", env=environment, stdout=file, stderr=file
        )
    assert ran.returncode == 0, log.read_text()
