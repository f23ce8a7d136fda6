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
from grokgrid.search.proposals import Fate, Proposals, Proposer, Scored, num_first
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
        found = [Proposer(space).propose(number, []) for number in range(num_first(4))]
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
        """The bowl (log10 x + 0.3)^2 has its bottom at 0.501. A tenth of the four decades is as near to it as is asked
        for: by chance 6 or more of 20 would be with a probability of 1%.
        """
        proposer, scored = Proposer(search()), []
        for number in range(num_first(1) + 20):
            settings = proposer.propose(number, scored)
            scored.append(Scored(settings, [(np.log10(settings["regulariser.strength"]) + 0.3) ** 2]))
        distances = [abs(np.log10(each.settings["regulariser.strength"]) + 0.3) for each in scored[num_first(1) :]]
        assert sum(distance < 0.2 for distance in distances) >= 6 and min(distances) < 0.03

    def test_go_by_the_order_of_scores_alone(self):
        """So a cliff, behind which all is a thousand times worse, takes nothing from what is near the best."""
        settings = [Proposer(search()).propose(number, []) for number in range(num_first(1))]
        scores = np.arange(len(settings)) / 10
        cliff = np.where(scores > 0.5, 1000 * scores, scores)
        found = [
            Proposer(search()).propose(12, [Scored(s, [float(v)]) for s, v in zip(settings, each, strict=True)])
            for each in (scores, cliff)
        ]
        assert found[0] == found[1]

    def test_what_is_under_way_is_not_proposed_around_again(self):
        """The best so far is at 0.1, and ten candidates beside it are of unknown worth."""
        tried = [Scored({"regulariser.strength": 10**place}, [abs(place + 1)]) for place in np.linspace(-3.0, 1.0, 21)]
        waiting = [Scored({"regulariser.strength": 0.1 + 0.001 * n}, None) for n in range(1, 11)]

        def num_near(scored: list[Scored]) -> int:
            draws = [Proposer(search(), draw=n).propose(40, scored)["regulariser.strength"] for n in range(20)]
            return sum(10**-1.2 < strength < 10**-0.8 for strength in draws)

        assert num_near(tried) == 20 and num_near(tried + waiting) == 0

    @pytest.mark.parametrize(
        ("objectives", "proposed"),
        [
            (["steps"], [(0.00121, 20, "adamw"), (0.002988, 18, "sgd"), (0.00312, 34, "sgd")]),
            (["steps", "train_loss"], [(0.02423, 42, "adamw"), (0.005951, 38, "adamw"), (0.09346, 47, "adamw")]),
        ],
    )
    def test_stay_as_they_are(self, objectives: list[str], proposed: list[tuple]):
        """The sampler's first three, as grokgrid 0.1 with Optuna 5.0.0 made them from these scores: another Optuna, or
        another argument of its sampler, would have a search go on otherwise than it began.
        """
        settings = {
            "regulariser.strength": {"log_uniform": {"from": 1e-3, "to": 10.0}},
            "model.width": {"integers": {"from": 4, "to": 64}},
            "optimiser.name": {"choice": ["adamw", "sgd"]},
        }
        proposer = Proposer(search(settings=settings, objectives=objectives))
        scored: list[Scored] = []
        for number in range(num_first(3) + 3):
            found = proposer.propose(number, scored)
            strength, width = found["regulariser.strength"], found["model.width"]
            scores = [abs(strength - 0.1) + width / 100, -float(width)][: len(objectives)]
            scored.append(Scored(found, scores if number % 7 else None))
        assert [tuple(each.settings.values()) for each in scored[num_first(3) :]] == proposed

    def test_another_draw_proposes_others(self):
        scored = [Scored(Proposer(search()).propose(n, []), [float(n)]) for n in range(5)]
        for number in (0, 12):
            proposed = [Proposer(search(), draw=draw).propose(number, scored) for draw in (0, 0, 1)]
            assert proposed[0] == proposed[1] != proposed[2]

    def test_the_same_again_from_the_same_scores(self):
        scored = [Scored(Proposer(search()).propose(n, []), [float(n)]) for n in range(5)]
        assert Proposer(search()).propose(12, scored) == Proposer(search()).propose(12, scored)

    def test_numbers_can_be_read(self):
        scored = [Scored(Proposer(search()).propose(n, []), [float(n)]) for n in range(5)]
        for number in range(num_first(1) + 5):
            value = Proposer(search()).propose(number, scored)["regulariser.strength"]
            assert value == float(f"{value:.4g}")

    @pytest.mark.parametrize("scores", [[[5.0]] * 9, [None] * 9, [[1.0], None] * 4, [[1e300], [0.0]] * 4])
    def test_whatever_the_scores_are_there_is_one(self, scores: list):
        space = search(settings=self.SPACE)
        scored = [Scored(Proposer(space).propose(n, []), each) for n, each in enumerate(scores)]
        assert set(Proposer(space).propose(num_first(4), scored)) == set(self.SPACE)

    def test_several_objectives(self):
        two = search(objectives=["steps", "train_loss"])
        scored = [Scored(Proposer(two).propose(n, []), [float(n), -float(n)]) for n in range(8)]
        assert 1e-3 <= Proposer(two).propose(12, scored)["regulariser.strength"] <= 10

    def test_of_several_objectives_lie_along_the_front(self):
        """(log10 x)^2 and (log10 x + 2)^2 cannot both be less from 0.01 to 1, half of the four decades. By chance 16 or
        more of 20 would lie there with a probability of 0.6%.
        """
        two, scored = search(objectives=["steps", "train_loss"]), []
        proposer = Proposer(two)
        for number in range(num_first(1) + 20):
            settings = proposer.propose(number, scored)
            place = np.log10(settings["regulariser.strength"])
            scored.append(Scored(settings, [place**2, (place + 2) ** 2]))
        strengths = [each.settings["regulariser.strength"] for each in scored[num_first(1) :]]
        assert sum(0.01 <= strength <= 1 for strength in strengths) >= 16

    def test_importance_is_of_what_matters(self, tmp_path: Path):
        settings = {"a": {"uniform": {"from": 0.0, "to": 1.0}}, "b": {"uniform": {"from": 0.0, "to": 1.0}}}
        mine = Proposals(search(settings=settings), "s", tmp_path / "j")
        points = np.random.default_rng(0).random((60, 2))
        found = mine.importances([Scored({"a": a, "b": b}, [float(a**2)]) for a, b in points], 0)
        assert found["a"] > 0.8 and sum(found.values()) == pytest.approx(1)
        assert mine.importances([Scored({"a": 0.1, "b": 0.2}, [1.0])] * 3, 0) == {}
