"""Optuna's journal after a crash within a line: nothing whole is lost, and searches go on."""

import logging
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from grokgrid.search.journal import mend
from grokgrid.search.proposals import Fate, Proposals, check_storage
from grokgrid.tracking import TrackingError
from search_spaces.search import Search

SEARCH = Search.model_validate(
    {"arm": "a", "baseline": "b", "settings": {"regulariser.strength": {"log_uniform": {"from": 1e-3, "to": 10.0}}}}
)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three candidates, two of them settled."""
    journal = tmp_path_factory.mktemp("sound") / "j"
    proposals = Proposals(SEARCH, "s", journal)
    for _ in range(3):
        proposals.ask([])
    proposals.tell(0, Fate.DONE, [1.5])
    proposals.tell(1, Fate.OUT)
    return journal.read_bytes()


def known(journal: Path) -> list[tuple]:
    """By Optuna alone, without what mends."""
    study = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(journal))))
    return [(trial.number, trial.params, trial.state, trial.values) for trial in study.get_trials()]


def test_cut_at_every_byte_of_the_last_lines(content: bytes, tmp_path: Path):
    """What the cut line said is forgotten, as if its process had died a moment earlier."""
    lines = content.splitlines(keepends=True)
    first = len(content) - sum(map(len, lines[-3:]))
    for length in range(first, len(content)):
        journal = tmp_path / f"cut-{length}"
        journal.write_bytes(content[:length])
        is_whole = content[length : length + 1] == b"\n"
        whole = content[: length + 1] if is_whole else content[: content.rfind(b"\n", 0, length) + 1]
        assert mend(journal) == (content[:length] != whole)
        assert journal.read_bytes() == whole
        asides = [path.read_bytes() for path in tmp_path.glob(f"cut-{length}.damaged-*")]
        assert asides == ([content[len(whole) : length]] if length > len(whole) else [])


@pytest.mark.parametrize("cut", [1, 30, 100, 200, 500, 700])
def test_a_search_goes_on_from_a_journal_that_was_cut(content: bytes, tmp_path: Path, cut: int):
    (tmp_path / "j").write_bytes(content[:-cut])
    before = Proposals(SEARCH, "s", tmp_path / "j").all()[0]
    asked = Proposals(SEARCH, "s", tmp_path / "j").ask([])
    found = known(tmp_path / "j")
    assert found[-1][:2] == (asked.number, dict(asked.settings))
    assert [number for number, *_ in found] == list(range(len(found)))
    assert [dict(each.settings) for each in before] == [params for _, params, *_ in found if params][:-1]


@pytest.mark.parametrize("rest", [b"", b"\0" * 40], ids=["cut", "zeros"])
def test_what_was_appended_to_a_torn_line_is_kept(content: bytes, tmp_path: Path, rest: bytes):
    lines = content.splitlines(keepends=True)
    for torn in range(1, len(lines)):
        journal = tmp_path / f"{torn}-{len(rest)}"
        half = lines[torn][: len(lines[torn]) // 2] if not rest else rest
        journal.write_bytes(b"".join([*lines[:torn], half, *lines[torn:]]))
        assert mend(journal)
        assert journal.read_bytes() == content
        assert Path(f"{journal}.damaged-1").read_bytes() == half
        assert not mend(journal)
        # Of a line that lacks its end alone nothing is lost.
        journal.write_bytes(b"".join(lines[:torn])[:-1] + b"".join(lines[torn:]))
        assert mend(journal) and journal.read_bytes() == content


def test_other_damage_ends_the_journal_there(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    lines = content.splitlines(keepends=True)
    journal = tmp_path / "j"
    journal.write_bytes(b"".join([*lines[:4], lines[4].replace(b":", b";"), *lines[5:]]))
    Proposals(SEARCH, "s", journal).ask([])
    assert journal.read_bytes().startswith(b"".join(lines[:4]))
    assert len(known(journal)) == len({number for number, *_ in known(journal)})
    assert f"{journal}: " in caplog.text and "are damaged. They are set aside as j.damaged-1" in caplog.text


def test_torn_by_another_process_while_this_one_runs(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    journal = tmp_path / "j"
    journal.write_bytes(content)
    mine = Proposals(SEARCH, "s", journal)
    for rest in (b'{"op_code":4,"worker_id":"x","stu', b"\0" * 100):
        with journal.open("ab") as file:
            file.write(rest)
        before = len(known(journal))
        mine.ask([])
        assert len(mine.all()[0]) == len(known(journal)) == before + 1
    # As older versions did, which appended all the same.
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor' + content.splitlines(keepends=True)[-1])
    mine.ask([])
    assert len(mine.all()[0]) == before + 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3


@pytest.mark.parametrize("content", [b"", b"\0" * 30, b'{"op_c'], ids=["empty", "zeros", "cut"])
def test_a_journal_that_never_began_begins(content: bytes, tmp_path: Path):
    (tmp_path / "j").write_bytes(content)
    assert Proposals(SEARCH, "s", tmp_path / "j").all() == ([], 0)


@pytest.mark.parametrize("content", [b"notes\n", b"SQLite format 3\0", b"\xff" * 9, b"[]\n"])
def test_a_file_of_another_kind_stays_as_it_is(content: bytes, tmp_path: Path):
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(TrackingError, match="is no journal of Optuna’s. Move it away to have"):
        check_storage(str(tmp_path / "j"))
    assert [path.name for path in tmp_path.iterdir()] == ["j"] and (tmp_path / "j").read_bytes() == content


def test_lines_that_are_whole_and_say_what_cannot_be(content: bytes, tmp_path: Path):
    (tmp_path / "j").write_bytes(content + b'{"op_code":4}\n')
    with pytest.raises(TrackingError, match="it is damaged. Move it away"):
        Proposals(SEARCH, "s", tmp_path / "j")
