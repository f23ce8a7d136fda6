"""The studies of the infinite-width limit: networks and limits that are compared have the same settings."""

import pytest

from search_spaces import Cell
from search_spaces.library import LIBRARY
from trainables.gradient_config import GradientConfig
from trainables.models.ntk_mlp import NtkMlp
from trainables.probes.jntk_flow_deviation import JntkFlowDeviation
from trainables.procedure_config import ProcedureConfig
from trainables.procedures.jntk_flow import JntkFlow

STUDIES = [name for name in LIBRARY if name.startswith("jntk-")]


def networks(name: str) -> list[tuple[Cell, GradientConfig]]:
    return [(cell, cell.config) for cell in LIBRARY[name]().cells if isinstance(cell.config, GradientConfig)]


@pytest.mark.parametrize("name", ["jntk-limit", "jntk-constancy", "jntk-dynamics"])
def test_networks_are_trained_as_the_flow_is(name: str):
    """Full-batch gradient descent without momentum or decay, on squared error and the exact squared norm, float64."""
    for _, config in networks(name):
        assert isinstance(config.model, NtkMlp) and config.batch_size is None and config.dtype == "float64"
        assert (config.optimiser.name, config.optimiser.momentum, config.optimiser.weight_decay) == ("sgd", 0, 0)
        assert config.loss.name == "mean_squared_error"
        (regulariser,) = config.regularisers.values()
        assert (regulariser.norm, regulariser.projections) == ("half_mean_square", "exact")
        for probe in config.probes:
            if isinstance(probe, JntkFlowDeviation):
                assert (probe.lr, probe.strength) == (config.optimiser.lr, regulariser.strength)


def test_all_arms_of_the_dynamics_have_the_same_time():
    """The kernel is proportional to kappa squared, so rates times that are equal."""
    times = set()
    for cell in LIBRARY["jntk-dynamics"]().cells:
        config = cell.config
        if isinstance(config, GradientConfig):
            times.add(round(config.optimiser.lr * config.model.kappa**2, 12))
        else:
            assert isinstance(config, ProcedureConfig) and isinstance(config.procedure, JntkFlow)
            times.add(round(config.procedure.lr * config.procedure.kappa**2, 12))
            assert config.procedure.hidden_layers == 2
    assert times == {0.05}


def test_the_limit_is_computed_once_and_stands_beside_every_seed():
    study = LIBRARY["jntk-dynamics"]()
    limit, drawn = (next(cell for cell in study.cells if cell.arm == arm) for arm in ("limit", "drawn"))
    assert len({limit.key_of(seed) for seed in study.seed_list}) == 1
    assert len({drawn.key_of(seed) for seed in study.seed_list}) == len(study.seed_list)
    others = (len(study.cells) - 1) * len(study.seed_list)
    # The widest network is that of kappa 1, but for its probe.
    assert study.num_trials == len(study.trials) == others + 1


@pytest.mark.parametrize("name", STUDIES)
def test_each_states_a_claim_with_its_source(name: str):
    statements = [each for each in LIBRARY[name]().analyses if each.kind == "statement"]
    assert statements and all(each.source and each.that for each in statements)
