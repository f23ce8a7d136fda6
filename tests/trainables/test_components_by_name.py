"""Several regularisers, input transforms and gradient filters of one trial, by name."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny_trials import TINY

from search_spaces import Study, pinned
from trainables.training import Training
from trainables.trial import Trial, TrialConfig
from trainables.validation import ValidationErrors, validate

JACOBIAN = {"strength": 0.1, "projections": "exact"}
WEIGHT_NORM = {"strength": 0.02}
EMA = {"name": "ema", "decay": 0.8, "gain": 0.1}
SLOW_EMA = {"name": "ema", "decay": 0.98, "gain": 2.0}


def config(**settings: Any) -> TrialConfig:
    return validate(TrialConfig, TINY | settings, source="trial")


def key(**settings: Any) -> str:
    return Trial(config=config(**settings), seed=0).key


def parameters(steps: int, **settings: Any) -> dict[str, torch.Tensor]:
    """After so many steps of stochastic gradient descent in float64."""
    plain = {"optimiser": {"name": "sgd", "lr": 0.05}, "dtype": "float64"}
    training = Training(Trial(config=config(**plain | settings), seed=3), torch.device("cpu"))
    if steps:
        training.advance(steps)
    return {name: each.clone() for name, each in training.state().items() if name.startswith("parameters.")}


def test_weight_norm_beside_the_jacobian_term_adds_its_strength_times_the_weights():
    before = parameters(0)
    alone = parameters(1, regularisers={"jacobian": JACOBIAN})
    both = parameters(1, regularisers={"jacobian": JACOBIAN, "weight_norm": WEIGHT_NORM})
    assert any(not torch.equal(alone[name], each) for name, each in parameters(1).items())
    for name, weights in before.items():
        torch.testing.assert_close(both[name], alone[name] - 0.05 * 0.02 * weights, rtol=1e-12, atol=1e-14)


def test_weight_norm_is_the_weight_decay_of_plain_gradient_descent():
    decayed = parameters(20, optimiser={"name": "sgd", "lr": 0.05, "weight_decay": 0.02})
    for name, each in parameters(20, regulariser={"name": "weight_norm"} | WEIGHT_NORM).items():
        torch.testing.assert_close(each, decayed[name], rtol=1e-10, atol=1e-12)


def test_what_is_written_short_is_the_same_trial():
    short = key(regulariser={"name": "jacobian", **JACOBIAN}, gradient_filter=EMA)
    assert short == key(regularisers={"jacobian": JACOBIAN}, gradient_filters={"ema": EMA})
    assert short == key(regularisers={"jacobian": {"name": "jacobian", **JACOBIAN}}, gradient_filter=EMA)


def test_one_written_short_stands_beside_others():
    both = key(regulariser={"name": "jacobian", **JACOBIAN}, regularisers={"weight_norm": WEIGHT_NORM})
    assert both == key(regularisers={"jacobian": JACOBIAN, "weight_norm": WEIGHT_NORM})


def test_one_given_twice_is_refused():
    with pytest.raises(ValidationErrors, match="regulariser: 'jacobian' is among the regularisers too"):
        config(regulariser={"name": "jacobian", **JACOBIAN}, regularisers={"jacobian": JACOBIAN})


def test_the_order_of_terms_makes_no_other_trial_and_that_of_filters_does():
    terms = {"jacobian": JACOBIAN, "weight_norm": WEIGHT_NORM}
    backwards = dict(reversed(terms.items()))
    assert key(regularisers=terms) == key(regularisers=backwards)
    one, other = parameters(5, regularisers=terms), parameters(5, regularisers=backwards)
    assert all(torch.equal(one[name], other[name]) for name in one)
    filters = {"fast": EMA, "slow": SLOW_EMA}
    assert key(gradient_filters=filters) != key(gradient_filters=dict(reversed(filters.items())))


def test_two_of_one_kind_each_keep_their_own_state():
    filters = {"fast": EMA, "slow": SLOW_EMA}
    both = parameters(6, gradient_filters=filters)
    for name in filters:
        one = parameters(6, gradient_filters={name: filters[name]})
        assert any(not torch.equal(both[parameter], one[parameter]) for parameter in both)


class TestAStudy:
    def study(self, **changes: Any) -> Study:
        terms = {"jacobian": JACOBIAN, "weight_norm": WEIGHT_NORM}
        content = {
            "name": "mine",
            "question": "Does it?",
            "seeds": 2,
            "trial": TINY | {"regularisers": terms},
            "arms": {"both": {}},
        }
        return Study.model_validate(content | changes)

    def test_takes_one_away_in_an_arm(self):
        study = self.study(
            arms={"both": {}, "alone": {"regularisers": {"jacobian": None}}, "none": {"regularisers": {}}}
        )
        terms = {cell.name: list(cell.config.regularisers) for cell in study.cells}
        assert terms == {"both": ["jacobian", "weight_norm"], "alone": ["weight_norm"], "none": terms["none"]}

    @pytest.mark.parametrize(
        ("trial", "arm"),
        [
            ({}, {"regularisers": {"jacobian": {"strength": 1, "norm": "half_mean_square"}}}),
            ({"regulariser": {"name": "jacobian", **JACOBIAN}}, {"regulariser": {"norm": "half_mean_square"}}),
            ({"probes": ["centroid"]}, {"loss": {"name": "mean_squared_error", "over_outputs": "sum"}}),
            ({}, {"optimiser": "adamw", "dtype": "float64"}),
        ],
    )
    def test_settings_that_are_texts_are_no_components(self, trial: dict[str, Any], arm: dict[str, Any]):
        """Where files are pinned, which looks for plugins in all that a study gives."""
        study = self.study(trial=TINY | trial, arms={"mine": arm})
        assert pinned(study) == study

    @pytest.mark.parametrize("field", ["regularisers.jacobian.strength", "regularisers.weight_norm.strength"])
    def test_has_a_grid_over_the_strength_of_any_one(self, field: str):
        study = self.study(arms={"both": {"grid": {field: [0.01, 0.1, 1.0]}}})
        name = field.split(".")[1]
        strengths = [cell.config.regularisers[name].strength for cell in study.cells]  # type: ignore[attr-defined]
        assert strengths == [0.01, 0.1, 1.0]
        others = [each for cell in study.cells for key, each in cell.config.regularisers.items() if key != name]
        assert len(set(others)) == 1

    @pytest.mark.parametrize(
        ("trial", "arm", "problem"),
        [
            (
                {"regulariser": {"name": "weight_norm", **WEIGHT_NORM}},
                {"regularisers": {"weight_norm": None}},
                "arms.mine.regularisers: the trial gives regulariser",
            ),
            (
                {"regularisers": {"weight_norm": WEIGHT_NORM}},
                {"regulariser": None},
                "arms.mine.regulariser: the trial gives regularisers",
            ),
            (
                {"regulariser": {"name": "jacobian", **JACOBIAN}},
                {"grid": {"regularisers.jacobian.strength": [1, 2]}},
                "arms.mine.grid.regularisers.jacobian.strength: the trial gives regulariser",
            ),
            (
                {"regularisers": {"weight_norm": WEIGHT_NORM}},
                {"regularisers": {"weightnorm": None}},
                "arms.mine.regularisers.weightnorm: there is none of that name to take away; did you mean 'weight_n",
            ),
            (
                {"gradient_filters": {"ema": EMA}},
                {"gradient_filters": {"emma": None}},
                "arms.mine.gradient_filters.emma: there is none of that name to take away; did you mean 'ema'?",
            ),
            (
                {"regularisers": {"jacobian": JACOBIAN}},
                {"grid": {"regularisers.jacobain.strength": [1, 2]}},
                "arms.mine.grid.regularisers.jacobain.strength: 'jacobain' is not known",
            ),
            (
                {},
                {"regularisers": {"name": {"name": "weight_norm", **WEIGHT_NORM}}},
                "arms.mine.regularisers.name: 'name' is not allowed",
            ),
        ],
    )
    def test_a_change_that_would_change_nothing_is_refused(
        self, trial: dict[str, Any], arm: dict[str, Any], problem: str
    ):
        with pytest.raises(ValidationError) as raised:
            self.study(trial=TINY | trial, arms={"mine": arm})
        assert problem in str(raised.value)
