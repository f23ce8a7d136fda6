"""Walker et al.'s Figures 2, 3, 5 and 6: what the paper and its scripts say of their runs."""

import pytest

from search_spaces import Study
from search_spaces.analyses import Statement
from search_spaces.library import LIBRARY, PUBLISHED_COSTS
from trainables.datasets.mnist import Mnist
from trainables.gradient_config import GradientConfig
from trainables.procedure_config import ProcedureConfig
from trainables.procedures.xor_in_span import XorInSpan

FIGURES = ("figure2", "figure3", "figure5", "figure6")


def configs(study: Study) -> dict[str, GradientConfig]:
    found = {}
    for cell in study.cells:
        assert isinstance(cell.config, GradientConfig)
        found[cell.name] = cell.config
    return found


def test_figure_2_is_as_the_caption_and_the_scripts_say():
    """A two-layer scalar network of width 64 without biases on 1,024 zeros and ones, 4,000 steps at rate 0.01 on all of
    them at once, float64, evaluated from before the first step on; three layers in the scripts.
    """
    study = LIBRARY["figure2"]()
    found = configs(study)
    assert study.seeds == 10 and [each.model.depth for each in found.values()] == [2, 3]
    for config in found.values():
        assert isinstance(config.data, Mnist)
        assert (config.data.classes, config.data.task, config.data.balanced) == ((0, 1), "binary", True)
        assert (config.data.num_train, config.data.num_test) == (1024, 1024)
        assert (config.model.width, config.model.bias) == (64, False)
        assert (config.optimiser.name, config.optimiser.lr, config.optimiser.weight_decay) == ("sgd", 0.01, 0)
        assert (config.loss.name, config.batch_size, config.dtype) == ("cross_entropy", None, "float64")
        assert config.budget.steps == 4000 and config.first_evaluation == 0


def test_the_probes_of_figure_2_take_the_steps_of_training():
    for config in configs(LIBRARY["figure2"]()).values():
        (probe,) = (each for each in config.probes if each.name == "fixed_point_ntk")
        assert probe.lr == config.optimiser.lr


def test_figure_6_repeats_figure_2():
    """At the scale 1 of weights and of outputs its trials are Figure 2's, and never run again."""
    two_layers = next(cell for cell in LIBRARY["figure2"]().cells if cell.arm == "two_layers")
    study = LIBRARY["figure6"]()
    same = {"model.init_scale": 1.0, "model.output_scale": 1.0}
    (cell,) = (each for each in study.cells if dict(each.point) == same)
    assert cell.key_of(0) == two_layers.key_of(0)
    assert len(study.cells) == 25 and study.seeds == 3


@pytest.mark.parametrize(("name", "strength"), [("figure3", 1.0), ("figure3-small", 0.5)])
def test_figure_3_has_both_lambdas(name: str, strength: float):
    """1 in the scripts' notes, 0.001 in the caption; rate and weight decay 0.1, for 1,000 steps."""
    strengths = {}
    for cell in LIBRARY[name]().cells:
        assert isinstance(cell.config, ProcedureConfig)
        procedure = cell.config.procedure
        assert isinstance(procedure, XorInSpan)
        strengths[cell.arm] = procedure.strength
        assert (procedure.lr, procedure.weight_decay, cell.config.budget.steps) == (0.1, 0.1, 1000)
        if name == "figure3":
            assert (procedure.dimension, procedure.epsilon, procedure.width) == (40_000, 0.05, 2048)
            assert (procedure.num_train, procedure.num_test) == (400, 400)
    assert strengths == {"weight_decay": 0.0, "jacobian": strength, "jacobian_as_stated": 0.001}


def test_figure_5_is_as_the_caption_and_the_scripts_say():
    """Lambda 0.001 in both arms, |5 - norm| in one; batches of 196, shuffled, gradients clipped at 1, float32."""
    minimised, constrained = configs(LIBRARY["figure5"]()).values()
    for config, level in ((minimised, None), (constrained, 5.0)):
        (term,) = config.regularisers.values()
        assert (term.strength, term.level, term.norm) == (0.001, level, "frobenius")
        assert (config.batch_size, config.shuffle, config.dtype, config.budget.epochs) == (196, True, "float32", 32_000)
        assert config.gradient_filters["clip_norm"].max == 1.0
        assert (config.model.init_scale, config.loss.name) == (8.0, "mean_squared_error")
    assert minimised.model_copy(update={"regularisers": {}}) == constrained.model_copy(update={"regularisers": {}})


@pytest.mark.parametrize("name", FIGURES)
def test_a_small_variant_states_the_same_sentences(name: str):
    def sentences(study: Study) -> list[str]:
        return [each.sentence for each in study.analyses if isinstance(each, Statement)]

    whole, small = LIBRARY[name](), LIBRARY[f"{name}-small"]()
    assert sentences(whole) and sentences(whole) == sentences(small)
    assert list(whole.arms) == list(small.arms) and small.seeds == 3


def test_costs_are_of_studies_that_there_are():
    assert set(PUBLISHED_COSTS) <= set(LIBRARY) and set(FIGURES) <= set(PUBLISHED_COSTS)
