"""Searching for the best settings: what is run, what is chosen, what is claimed, and that a killed search goes on."""

import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from driver_processes import Grokgrid, Zygote
from driver_studies import Watched, drive, settled, study
from rich.console import Console

from grokgrid import api, home, running
from grokgrid.search import searching
from grokgrid.search.proposals import Fate, Proposals
from grokgrid.search.searching import Searched, search_digest
from grokgrid.tracking import Tracking
from search_spaces import Study, to_yaml

pytestmark = pytest.mark.usefixtures("ready_home")

SEARCH: dict[str, Any] = {
    "arm": "tuned",
    "baseline": "baseline",
    "settings": {"optimiser.lr": {"log_uniform": {"from": 0.001, "to": 0.1}}},
    "seeds": 3,
    "budget": {"trials": 18},
}
NUM = 18


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_ELSEWHERE_CHECKED_EVERY_S", 0.1)
    monkeypatch.setattr(running, "_IDLE_S", 0.01)


def searched_study(search: dict[str, Any] | None = None, **changes: Any) -> Study:
    """Trials of 20 ms, of which the learning rate is searched."""
    arms = {"baseline": {"optimiser": {"lr": 0.002}}, "tuned": {}}
    return study(**{"name": "lr", "arms": arms, "seeds": 3, "search": {**SEARCH, **(search or {})}, **changes})


def optimise(it: Study, engine: Watched | None = None) -> api.StudyReport:
    return api.optimise(it, engine=lambda: engine or Watched(), console=Console(file=io.StringIO()))


def found(report: api.StudyReport) -> Searched:
    assert report.searched is not None
    return report.searched


def search_keys(it: Searched) -> set[str]:
    return set(it.worth)


def claim_keys(it: Searched) -> set[str]:
    return {trial.key for trial in it.claim.trials}


def candidates(it: Study) -> list[tuple[int, float, Fate]]:
    """As Optuna has them."""
    assert it.search is not None
    kept, num = Proposals(it.search, f"{it.name}-{search_digest(it)[:8]}", home.optuna_storage()).all()
    assert num == len(kept)
    return [(c.number, c.settings["optimiser.lr"], c.fate) for c in kept]


def table(report: api.StudyReport, name: str = "search") -> pd.DataFrame:
    return report.content.tables[name].drop(columns=["run_id"], errors="ignore")


class TestASearch:
    def test_ends_with_its_budget_and_a_claim_on_the_study_s_own_seeds(self):
        engine = Watched()
        report = optimise(searched_study(), engine)
        it = found(report)
        assert it.is_over and len(it.worth) == NUM and len(it.best) == 1
        assert len(it.entrants) >= 6 and {e.fate for e in it.entrants} <= {Fate.DONE, Fate.OUT}
        # What is claimed rests on other seeds than the choice.
        (best,) = (e for e in it.entrants if e.candidate.number in it.best)
        assert set(engine.keys) == search_keys(it) | claim_keys(it) and len(claim_keys(it)) == 6
        assert search_keys(it).isdisjoint(claim_keys(it))
        assert report.results.is_complete and list(report.results.study.arms) == ["baseline", "tuned"]
        settled(search_keys(it) | claim_keys(it))
        # Far too slow and too fast steps are none of the best.
        assert 0.004 < best.candidate.settings["optimiser.lr"] < 0.08
        first_line = report.content.headline
        assert first_line.startswith(f"Of {len(it.entrants)} candidates the search chose tuned at lr ")
        assert "On seeds that had no part in the choice:" in first_line and "baseline" in first_line

    @pytest.mark.slow
    def test_is_not_run_again_and_reports_the_same(self):
        first = optimise(searched_study())
        before, engine = candidates(searched_study()), Watched()
        again = optimise(searched_study(), engine)
        assert engine.blocks == [] and candidates(searched_study()) == before
        assert again.content.headline == first.content.headline
        pd.testing.assert_frame_equal(table(again), table(first))
        reports = [run for run in runs("lr") if run.info.status == "FINISHED"]
        assert len(reports) == 1 and reports[0].data.metrics["search/trials"] == NUM

    @pytest.mark.slow
    def test_goes_on_where_more_budget_is_given(self):
        optimise(searched_study())
        before, engine = candidates(searched_study()), Watched()
        it = found(optimise(searched_study({"budget": {"trials": NUM + 8}}), engine))
        assert len(it.worth) == NUM + 8
        assert [(number, lr) for number, lr, _ in candidates(searched_study())][: len(before)] == [
            (number, lr) for number, lr, _ in before
        ]
        assert len(set(engine.keys) & search_keys(it)) == 8

    def test_shares_its_trials_with_every_study(self):
        it = found(optimise(searched_study()))
        lrs = [entrant.candidate.settings["optimiser.lr"] for entrant in it.entrants if entrant.num_seeds >= 2]
        assert it.study.search is not None
        arms = {"tuned": {"grid": {"optimiser.lr": lrs}}}
        engine = Watched()
        drive(study(arms=arms, seeds=list(it.study.search.seed_list[:2])), engine)
        assert engine.blocks == []

    @pytest.mark.slow
    def test_finds_done_what_a_study_has_run(self):
        """The first candidates of a search are always the same, so a study can be made that has them."""
        first = [lr for _, lr, _ in candidates_asked(4)]
        assert searched_study().search is not None
        seeds = list(searched_study().search.seed_list)  # type: ignore[union-attr]
        drive(study(arms={"tuned": {"grid": {"optimiser.lr": first}}}, seeds=seeds))
        engine = Watched()
        it = found(optimise(searched_study(), engine))
        assert len(it.worth) == NUM and len(set(engine.keys) & search_keys(it)) == NUM - 4 * len(seeds)

    def test_ends_with_as_many_candidates_and_all_of_them_raced(self):
        it = found(optimise(searched_study({"budget": {"candidates": 5}})))
        assert [e.candidate.number for e in it.entrants] == [0, 1, 2, 3, 4]
        assert all(e.fate is Fate.OUT or e.num_seeds == 3 for e in it.entrants)

    def test_ends_with_device_hours(self):
        it = found(optimise(searched_study({"budget": {"device_hours": 1e-9}})))
        assert len(it.worth) == 1 and it.is_over

    @pytest.mark.slow
    def test_its_figures_and_files(self, tmp_path: Path):
        two = {"optimiser.lr": SEARCH["settings"]["optimiser.lr"], "model.width": {"integers": {"from": 4, "to": 12}}}
        it = searched_study({"settings": two, "budget": {"trials": 16}})
        report = api.optimise(it, engine=Watched, folder=tmp_path, console=Console(file=io.StringIO()))
        names = {path.name for path in report.files}
        assert {
            "search-history.svg",
            "search-slice-optimiser-lr.svg",
            "search-slice-model-width.pdf",
            "search.csv",
        } <= names
        assert {"search-importance.svg", "search-importance.csv", "search-trials.parquet", "report.html"} <= names
        assert "Importance of the settings" in (tmp_path / "report.html").read_text()

    def test_where_settings_are_few_each_is_tried_once(self):
        settings = {"loss": {"choice": ["cross_entropy", "mean_squared_error"]}, "model.depth": {"choice": [2, 3]}}
        it = found(optimise(searched_study({"settings": settings})))
        tried = [e for e in it.entrants if e.fate is not Fate.FAILED]
        assert it.is_over and len(tried) == 4 and len(it.worth) == 12
        assert all("again" in e.why for e in it.entrants if e.fate is Fate.FAILED)

    def test_a_study_without_one_is_refused(self):
        with pytest.raises(ValueError, match="search: is missing"):
            api.optimise(study())


class TestObjectives:
    def test_an_accuracy_is_chosen_by_examples_held_out_and_claimed_on_test_examples(self):
        data = {"name": "digits", "num_train": 100, "num_validation": 60, "num_test": 100}
        it = searched_study({"objectives": ["validation_accuracy"]}, trial={"data": data, "goal": None})
        report = optimise(it)
        best = table(report).query("state == 'best'")["validation_accuracy"].item()
        trials = table(report, "search-trials")
        of_best = trials[trials["candidate"] == found(report).best[0]]
        assert best == pytest.approx(of_best["validation_accuracy"].mean())
        assert "test_accuracy at the end beside baseline’s: " in report.content.headline
        assert "tuned lr=" in report.content.headline
        assert set(report.content.tables["measurements"]["metric"]) == {"test_accuracy"}

    def test_an_extreme_is_taken_over_the_evaluations_and_claimed_of_the_test_examples(self):
        data = {"name": "digits", "num_train": 100, "num_validation": 60, "num_test": 100}
        it = searched_study(
            {"objectives": ["max/validation_accuracy"], "budget": {"trials": 12}}, trial={"data": data, "goal": None}
        )
        report = optimise(it)
        trials = table(report, "search-trials")
        highest = Tracking().read(trials["key"]).curves.groupby("key")["validation_accuracy"].max()
        assert list(trials["max/validation_accuracy"]) == pytest.approx(list(highest[trials["key"]]))
        claimed = report.content.tables["measurements"]
        assert set(claimed["metric"]) == {"max/test_accuracy"}
        shown = (
            report.results.curves.groupby(["cell", "seed"], observed=True)["test_accuracy"].max().groupby("cell").mean()
        )
        assert dict(zip(claimed["cell"], claimed["mean"], strict=True)) == pytest.approx(shown.to_dict())
        notes = [note for section in report.content.sections for note in section.notes]
        assert any("best (or worst) on the test examples themselves" in note for note in notes)

    @pytest.mark.slow
    def test_several_make_a_front(self):
        it = searched_study({"objectives": ["steps", {"metric": "train_loss", "better": "less"}]})
        report = optimise(it)
        chosen = table(report).query("state == 'best'")
        assert 1 <= len(chosen) == len(found(report).best) == len(report.results.study.arms) - 1
        for _, one in chosen.iterrows():
            others = chosen[(chosen["steps"] < one["steps"]) & (chosen["train_loss"] < one["train_loss"])]
            assert not len(others)

    def test_candidates_that_all_diverge_leave_nothing_to_choose(self):
        settings = {"optimiser.lr": {"log_uniform": {"from": 1e29, "to": 1e31}}}
        arms = {"baseline": {}, "tuned": {"optimiser": {"name": "sgd", "lr": 1e30}}}
        report = optimise(searched_study({"settings": settings, "budget": {"trials": 8}}, arms=arms))
        assert found(report).is_over and found(report).best == ()
        assert report.content.headline == (
            "Nothing is chosen: no candidate reached the goal, test_accuracy > 0.55, on any seed, so none is better "
            "than another."
        )
        assert table(report)["steps"].tolist() == pytest.approx([56] * len(table(report)))

    def test_candidates_without_a_number_have_failed(self):
        settings = {"optimiser.lr": {"log_uniform": {"from": 1e29, "to": 1e31}}}
        arms = {"baseline": {}, "tuned": {"optimiser": {"name": "sgd", "lr": 1e30}}}
        search = {"settings": settings, "objectives": ["train_loss"], "budget": {"candidates": 3}}
        report = optimise(searched_study(search, arms=arms))
        assert set(table(report)["state"]) == {"failed"} and found(report).best == ()
        assert "training ended without a number for train_loss" in table(report)["why"][0]
        assert set(table(report, "search-trials")["state"]) == {"diverged"}
        assert any("3 diverged" in note for note in report.content.notes)

    def test_a_candidate_whose_trial_fails_has_failed_and_the_others_go_on(self):
        settings = {"model.width": {"choice": [8, 2_000_000_000]}}
        report = optimise(searched_study({"settings": settings, "budget": {"candidates": 4}}))
        wide = table(report)[table(report)["model.width"] == 2_000_000_000]
        assert len(wide) and (wide["state"] == "failed").all() and len(found(report).best) == 1
        assert any("failed:" in note for note in report.content.notes)


def candidates_asked(num: int) -> list[tuple[int, float, Fate]]:
    """The first that a search asks for."""
    it = searched_study()
    assert it.search is not None
    proposals = Proposals(it.search, "elsewhere", home.optuna_storage())
    return [(c.number, c.settings["optimiser.lr"], c.fate) for c in (proposals.ask([]) for _ in range(num))]


def runs(experiment: str) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(home.tracking_uri())
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


Run = Callable[..., Grokgrid]


@pytest.fixture
def run(zygote: Zygote, tmp_path: Path) -> Run:
    """Starts `grokgrid optimise` of a study, in this process's environment."""

    def start(it: Study, log: str = "log", **more: Any) -> Grokgrid:
        file = tmp_path / f"{it.name}.yaml"
        file.write_text(to_yaml(it))
        options = ("--engine", "inline", "--checkpoint-every", "0")
        return zygote.start("optimise", str(file), *options, log=tmp_path / log, **more)

    return start


MOMENTS = {
    "before asking": ("grokgrid.search.proposals:Proposals.ask", "before", 2),
    "having asked": ("grokgrid.search.proposals:Proposals.ask", "after", 3),
    "having claimed": ("grokgrid.tracking.tracking:Tracking.claim", "after", 1),
    "while training": ("trainables.training:Training.measure", "before", 4),
    "before recording": ("grokgrid.tracking.tracking:Tracking.ingest", "before", 2),
    "having uploaded a trial": ("grokgrid.tracking.client:Client.upload", "after", 2),
    "before telling": ("grokgrid.search.proposals:Proposals.tell", "before", 1),
    "having told": ("grokgrid.search.proposals:Proposals.tell", "after", 1),
    "before the claim": ("grokgrid.search.searching:claim_study", "before", 1),
    "before keeping the report": ("grokgrid.tracking.report_runs:ReportRun.finish", "before", 1),
}


class TestKilled:
    @pytest.mark.slow
    def test_at_every_stage_it_ends_as_if_nothing_had_been(
        self, run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, empty_database: Path
    ):
        it = searched_study()
        with monkeypatch.context() as patch:
            patch.setenv("GROKGRID_HOME", str(tmp_path_factory.mktemp("undisturbed")))
            undisturbed, kept = optimise(it), candidates(it)
        for moment, (call, when, nth) in MOMENTS.items():
            killed = run(it, die={"call": call, "when": when, "nth": nth})
            assert killed.wait() == -signal.SIGKILL, f"{moment}\n{killed.log.read_text()}"
        last = run(it)
        assert last.wait() == 0, last.log.read_text()
        after = optimise(it)
        assert candidates(it) == kept
        pd.testing.assert_frame_equal(table(after), table(undisturbed))
        pd.testing.assert_frame_equal(table(after, "search-trials"), table(undisturbed, "search-trials"))
        assert after.content.headline == undisturbed.content.headline
        settled(search_keys(found(after)) | claim_keys(found(after)))

    @pytest.mark.slow
    def test_as_it_asked_it_goes_on_without_that_candidate(self, run: Run):
        it = searched_study({"budget": {"candidates": 5}})
        killed = run(it, die={"call": "grokgrid.search.proposals:Proposer.propose", "when": "before", "nth": 2})
        assert killed.wait() == -signal.SIGKILL, killed.log.read_text()
        last = run(it)
        assert last.wait() == 0, last.log.read_text()
        assert [e.candidate.number for e in found(optimise(it)).entrants] == [0, 2, 3, 4]

    @pytest.mark.slow
    def test_interrupted_it_says_so_and_goes_on(self, run: Run):
        it = searched_study({"budget": {"trials": 40}, "seeds": 8})
        stopped = run(it)
        while not Tracking().find([]) and not Path(home.optuna_storage()).exists():
            assert stopped.ended_within(0.05) is None, stopped.log.read_text()
        assert stopped.ended_within(1.0) is None, stopped.log.read_text()
        stopped.signal(signal.SIGINT)
        assert stopped.wait() == 130 and "run it again" in stopped.log.read_text()
        assert len(found(optimise(it)).worth) == 40


@pytest.mark.slow
class TestTwoAtOnce:
    def test_share_the_candidates_and_run_every_trial_once(self, run: Run):
        it = searched_study({"budget": {"candidates": 6}})
        both = [run(it, log=f"log-{number}") for number in range(2)]
        for each in both:
            assert each.wait() == 0, each.log.read_text()
        report = optimise(it)
        assert [e.candidate.number for e in found(report).entrants] == list(range(6))
        assert len({e.candidate.settings["optimiser.lr"] for e in found(report).entrants}) == 6
        settled(search_keys(found(report)) | claim_keys(found(report)))


@pytest.mark.slow
def test_what_others_asked_for_meanwhile_is_run_before_it_ends(monkeypatch: pytest.MonkeyPatch):
    it = searched_study({"budget": {"candidates": 4}})
    assert it.search is not None
    another = Proposals(it.search, f"{it.name}-{search_digest(it)[:8]}", home.optuna_storage())
    ask, theirs = Proposals.ask, []

    def ask_after_another(self: Proposals, scored: Any) -> Any:
        if not theirs:
            theirs.append(ask(another, []))
        return ask(self, scored)

    monkeypatch.setattr(Proposals, "ask", ask_after_another)
    report = optimise(it)
    assert [e.candidate.number for e in found(report).entrants] == list(range(4))
    assert all(e.num_seeds for e in found(report).entrants)


def test_what_others_run_is_noticed_between_its_own_trials(monkeypatch: pytest.MonkeyPatch):
    """Its candidates' seeds that another search has run count, without being run again."""
    monkeypatch.setattr(searching, "_OTHERS_CHECKED_EVERY_S", 0.0)
    it = searched_study({"budget": {"candidates": 4}})
    assert it.search is not None
    proposals = Proposals(it.search, f"{it.name}-{search_digest(it)[:8]}", home.optuna_storage())
    asked = [proposals.ask([]) for _ in range(2)]
    grid = {"optimiser.lr": [candidate.settings["optimiser.lr"] for candidate in asked]}
    drive(study(arms={"tuned": {"grid": grid}}, seeds=list(it.search.seed_list)))
    engine = Watched()
    after = found(optimise(it, engine))
    assert [e.candidate.settings for e in after.entrants][:2] == [candidate.settings for candidate in asked]
    cells = [entrant.cell for entrant in after.entrants[:2] if entrant.cell is not None]
    assert not {cell.key_of(seed) for cell in cells for seed in it.search.seed_list} & set(engine.keys)
