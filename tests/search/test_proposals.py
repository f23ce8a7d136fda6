"""Candidates in Optuna's storage: a journal file and a server's database."""

import multiprocessing
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import optuna
import pytest
from postgres import database

from grokgrid.search import proposals
from grokgrid.search.proposals import Fate, Proposals, Proposer, Scored, num_first, num_spread
from grokgrid.tracking import TrackingAway, TrackingError
from search_spaces.search import Search


def search(**changes: object) -> Search:
    settings = {"regulariser.strength": {"log_uniform": {"from": 1e-3, "to": 10.0}}}
    return Search.model_validate({"arm": "a", "baseline": "b", "settings": settings} | changes)


@pytest.fixture
def postgres() -> Iterator[str]:
    with database() as uri:
        yield uri


@pytest.fixture(params=["journal", pytest.param("postgres", marks=pytest.mark.service)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return str(tmp_path / "new" / "optuna.journal")


def ask_five(place: str) -> None:
    mine = Proposals(search(), "s", place)
    for _ in range(5):
        mine.ask([])


class TestTheStore:
    def test_candidates_are_there_for_whoever_opens_it_next(self, place: str):
        first = Proposals(search(), "s", place)
        asked = [first.ask([]) for _ in range(3)]
        first.tell(0, Fate.DONE, [1.5])
        first.tell(1, Fate.OUT)
        found, num_asked = Proposals(search(), "s", place).all()
        assert num_asked == 3 and [c.settings for c in found] == [c.settings for c in asked]
        assert [c.fate for c in found] == [Fate.DONE, Fate.OUT, Fate.OPEN]
        assert Proposals(search(), "another", place).all() == ([], 0)

    def test_a_candidate_is_told_once(self, place: str):
        one, other = Proposals(search(), "s", place), Proposals(search(), "s", place)
        one.ask([])
        one.tell(0, Fate.DONE, [1.0])
        other.tell(0, Fate.OUT)
        other.tell(0, Fate.DONE, [9.0])
        assert [c.fate for c in one.all()[0]] == [Fate.DONE]

    def test_two_searches_at_once_ask_for_different_ones(self, place: str):
        Proposals(search(), "s", place)
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=ask_five, args=(place,)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
            assert process.exitcode == 0
        found, num_asked = Proposals(search(), "s", place).all()
        assert num_asked == 10 and len({c.settings["regulariser.strength"] for c in found}) == 10

    def test_one_whose_search_was_killed_as_it_asked_is_given_up(self, place: str, monkeypatch: pytest.MonkeyPatch):
        mine = Proposals(search(), "s", place)
        with monkeypatch.context() as patch:
            patch.setattr(Proposer, "propose", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                mine.ask([])
        # For a minute it may be another search's that is just writing the settings.
        assert mine.all() == ([], 1)
        assert mine.ask([]).number == 1
        monkeypatch.setattr(proposals, "_HALF_ASKED_FOR", timedelta(0))
        found, num_asked = mine.all()
        assert [c.number for c in found] == [1] and num_asked == 2

    def test_is_plain_optuna_s(self, tmp_path: Path):
        mine = Proposals(search(), "s", tmp_path / "j")
        mine.ask([])
        mine.tell(0, Fate.DONE, [1.5])
        journal = optuna.storages.journal.JournalFileBackend(str(tmp_path / "j"))
        (trial,) = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(journal)).trials
        assert trial.value == 1.5 and set(trial.params) == {"regulariser.strength"}

    @pytest.mark.parametrize(
        ("place", "why"),
        [
            ("sqlite:///o.db", "journal file, or the URL of a database of postgresql or mysql"),
            ("oracle://u:hidden@h/d", "journal file"),
            ("/proc/nowhere/o.journal", "No such file"),
        ],
    )
    def test_what_cannot_be_used_is_told(self, place: str, why: str):
        with pytest.raises(TrackingError, match=why) as error:
            Proposals(search(), "s", place)
        assert "hidden" not in str(error.value)

    def test_a_server_that_is_away_can_be_waited_for(self):
        with pytest.raises(TrackingAway, match="Optuna's database at") as error:
            Proposals(search(), "s", "postgresql://me:hidden@127.0.0.1:9/db")
        assert "hidden" not in str(error.value)


class TestProposals:
    SPACE = {
        "a": {"log_uniform": {"from": 1e-3, "to": 10.0}},
        "b": {"uniform": {"from": -1.0, "to": 1.0}},
        "c": {"integers": {"from": 1, "to": 4}},
        "d": {"choice": ["x", None, True, 3]},
    }

    def test_the_first_cover_every_range(self):
        space = search(settings=self.SPACE)
        found = [Proposer(space).propose(number, []) for number in range(num_spread(4))]
        for path, spread in space.settings.items():
            values = [each[path] for each in found]
            if spread.choice is not None or spread.integers is not None:
                assert len(set(values)) == 4
            else:
                low, high = spread.extremes
                assert all(low <= value <= high for value in values)
        strengths = np.log10([each["a"] for each in found])
        assert all(((strengths >= low) & (strengths < low + 1)).any() for low in (-3, -2, -1, 0))

    def test_the_rest_lie_where_it_is_good(self):
        """The bowl (log10 x + 0.3)^2 has its bottom at 0.501."""
        proposer, scored = Proposer(search()), []
        for number in range(16):
            settings = proposer.propose(number, scored)
            scored.append(Scored(settings, [(np.log10(settings["regulariser.strength"]) + 0.3) ** 2]))
        strengths = [each.settings["regulariser.strength"] for each in scored[num_spread(1) :]]
        assert sum(0.3 < strength < 0.8 for strength in strengths) >= 5
        assert min(each.scores[0] for each in scored) < 0.002

    def test_the_same_again_from_the_same_scores(self):
        scored = [Scored(Proposer(search()).propose(n, []), [float(n)]) for n in range(5)]
        assert Proposer(search()).propose(9, scored) == Proposer(search()).propose(9, scored)

    def test_numbers_can_be_read(self):
        scored = [Scored(Proposer(search()).propose(n, []), [float(n)]) for n in range(5)]
        for number in range(10):
            value = Proposer(search()).propose(number, scored)["regulariser.strength"]
            assert value == float(f"{value:.4g}")

    @pytest.mark.parametrize("scores", [[[5.0]] * 9, [None] * 9, [[1.0], None] * 4, [[1e300], [0.0]] * 4])
    def test_whatever_the_scores_are_there_is_one(self, scores: list):
        space = search(settings=self.SPACE)
        scored = [Scored(Proposer(space).propose(n, []), each) for n, each in enumerate(scores)]
        assert set(Proposer(space).propose(num_first(4), scored)) == set(self.SPACE)

    def test_several_objectives(self):
        two = search(objectives=["updates", "train_loss"])
        scored = [Scored(Proposer(two).propose(n, []), [float(n), -float(n)]) for n in range(8)]
        assert 1e-3 <= Proposer(two).propose(9, scored)["regulariser.strength"] <= 10

    def test_importance_is_of_what_matters(self, tmp_path: Path):
        settings = {"a": {"uniform": {"from": 0.0, "to": 1.0}}, "b": {"uniform": {"from": 0.0, "to": 1.0}}}
        mine = Proposals(search(settings=settings), "s", tmp_path / "j")
        points = np.random.default_rng(0).random((60, 2))
        found = mine.importances([Scored({"a": a, "b": b}, [float(a**2)]) for a, b in points], 0)
        assert found["a"] > 0.8 and sum(found.values()) == pytest.approx(1)
        assert mine.importances([Scored({"a": 0.1, "b": 0.2}, [1.0])] * 3, 0) == {}
