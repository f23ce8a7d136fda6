"""Hoffman et al.'s Table 2 and Figure 3: networks of Table 1, and the paper's printed figures."""

import pytest

from search_spaces.library import LIBRARY
from trainables.gradient_config import GradientConfig

FIVE = ["none", "l2", "dropout", "jacobian", "all"]


@pytest.mark.parametrize("name", ["hoffman-table2", "hoffman-figure3"])
def test_measures_the_networks_of_table_1(name: str):
    whole = {cell.arm: cell for cell in LIBRARY["hoffman-table1-all"]().cells}
    cells = {cell.arm: cell for cell in LIBRARY[name]().cells}
    assert [cells[arm].key_of(4) for arm in FIVE] == [whole[arm].key_of(4) for arm in FIVE]
    assert LIBRARY[name]().seeds == 5


def test_table_2_has_its_five_figures():
    study = LIBRARY["hoffman-table2"]()
    figures = {r.arm: (r.value, r.error, r.error_is, r.num_seeds) for r in study.reference}
    assert list(figures) == FIVE and {r.metric for r in study.reference} == {"usps_accuracy"}
    assert figures["dropout"] == (0.819, 0.014, "ci95", 5)
    assert [each.on.align_corners for each in study.assessments] == [False, True]


def test_figure_3_has_eight_networks():
    study = LIBRARY["hoffman-figure3"]()
    configs = {cell.arm: cell.config for cell in study.cells}
    assert list(configs) == [*FIVE, "l2_dropout", "l2_dropout_fgsm", "all_fgsm"]
    of = {}
    for arm, config in configs.items():
        assert isinstance(config, GradientConfig)
        settings = config.optimiser.weight_decay, config.model.dropout, *config.regularisers, *config.input_transforms
        of[arm] = settings
    assert of["l2_dropout"] == (5e-4, 0.5)
    assert of["l2_dropout_fgsm"] == (5e-4, 0.5, "fgsm")
    assert of["all_fgsm"] == (5e-4, 0.5, "jacobian", "fgsm")
    assert len(set(of.values())) == 8
    noise, pgd = study.assessments
    assert noise.num_examples == pgd.num_examples == 1000
    assert pgd.step_size == 1 / 255 and pgd.sizes[-1] == 32 / 255 and not pgd.random_start
    # So many steps that the last one may be at the distance itself.
    assert pgd.steps * pgd.step_size >= pgd.sizes[-1]


@pytest.mark.parametrize("name", ["hoffman-table2-small", "hoffman-figure3-small"])
def test_a_small_one_takes_minutes(name: str):
    """By what it does: 300 steps on batches of 100, on 200 digits."""
    whole, small = LIBRARY[name.removesuffix("-small")](), LIBRARY[name]()
    assert list(small.arms) == list(whole.arms) and small.seeds == 2
    assert {each.name for each in small.assessments} == {each.name for each in whole.assessments}
    for cell in small.cells:
        assert isinstance(cell.config, GradientConfig)
        assert (cell.config.last_evaluation, cell.config.data.num_train) == (300, 200)
    assert {each.num_examples for each in small.assessments} == {200}
