"""Hoffman et al.'s studies: what the paper says of its runs, and its printed figures."""

import pytest
from scipy import stats

from grokgrid.analyses import make_report
from grokgrid.results import Results, State
from search_spaces import Study
from search_spaces.library import LIBRARY
from trainables.gradient_config import GradientConfig

FIVE = ["none", "l2", "dropout", "jacobian", "all"]


def configs(study: Study) -> dict[str, GradientConfig]:
    found = {}
    for cell in study.cells:
        assert isinstance(cell.config, GradientConfig)
        found[cell.arm] = cell.config
    return found


class TestTable1:
    def test_the_last_columns_are_of_all_examples(self):
        """Section 3.1: batches of 100, learning rate 0.1, ten-fold less after each 50,000 of 150,000 iterations."""
        study = LIBRARY["hoffman-table1-all"]()
        assert list(configs(study)) == FIVE and study.seed_list == (0, 1, 2, 3, 4)
        for config in configs(study).values():
            assert config.data.num_train == 60_000 and not config.data.is_drawn
            assert (config.batch_size, config.budget.extent, config.last_evaluation) == (100, 150_000, 150_000)
            assert config.schedule is not None
            rates = {steps: config.optimiser.lr * config.schedule.factor(steps, 600) for steps in (0, 50_000, 149_999)}
            assert list(rates.values()) == pytest.approx([0.1, 0.01, 0.001])
            assert config.schedule.factor(49_999, 600) == 1 and config.schedule.factor(99_999, 600) == 0.1

    def test_are_headed_all_and_compared_with_none(self):
        study = LIBRARY["hoffman-table1-all"]()
        # As ended trials: a table without any would do, too.
        found = make_report(ended(study))
        tables = {table.name: table for section in found.sections for table in section.tables}
        assert [column.label for column in tables["table"].columns] == ["arm", "all"]
        assert tables["table"].columns[0].text == tuple(FIVE)
        assert tables["table-differences"].columns[0].text == tuple(FIVE[1:])
        assert set(tables["table-differences"].columns[1].text) == {"all"}
        assert tables["table-2"].title == "test_jacobian_norm_mean by data.per_class"

    def test_every_printed_figure_is_there(self):
        """Table 1 has five rows and six columns."""
        few, whole = LIBRARY["hoffman-table1"](), LIBRARY["hoffman-table1-all"]()
        assert (len(few.reference), len(whole.reference)) == (20, 10)
        assert {r.num_seeds for r in few.reference} == {15} and {r.num_seeds for r in whole.reference} == {5}
        assert {r.error_is for r in (*few.reference, *whole.reference)} == {"ci95"}
        figures = {(r.arm, r.metric): (r.value, r.error) for r in whole.reference}
        assert figures["l2", "test_accuracy"] == (0.992, 0.001)
        assert figures["none", "test_jacobian_norm_mean"] == (32.9, 3.3)

    def test_an_error_that_is_printed_as_0_is_not_taken_for_0(self):
        """99.0 ± 0.0 percent is 98.95 to 99.05, and less than 0.05: else figures that only differ in rounding would."""
        figures = {(r.arm, r.metric): r for r in LIBRARY["hoffman-table1-all"]().reference}
        assert figures["jacobian", "test_accuracy"].error == 0.0005
        assert figures["all", "test_jacobian_norm_mean"].error == 0.05
        assert "printed as 0" in figures["jacobian", "test_accuracy"].source
        judged = make_report(ended(LIBRARY["hoffman-table1-all"]())).tables["measurements-published"]
        sd = judged.set_index(["cell", "metric"]).loc[("jacobian per_class=None", "test_accuracy"), "published_sd"]
        assert sd == pytest.approx(0.0005 * 5**0.5 / stats.t.ppf(0.975, 4))


def ended(study: Study) -> Results:
    """Every trial of the study at its end, where each metric is 0.5, 0.6, … by seed."""
    from datetime import UTC, datetime

    import pandas as pd

    rows = [
        {"arm": cell.arm, "cell": cell.name, "seed": seed, "key": cell.key_of(seed), "state": State.FINISHED}
        | dict(cell.point)
        | {f"final/{metric}": 0.5 + seed / 10 for metric in cell.config.metrics or ()}
        | {"steps": 1, "epochs": 1.0, "seconds": 1.0, "run_id": f"run-{cell.name}-{seed}", "diverged_at": None}
        | {"device": "cpu", "device_name": "CPU", "num_threads": 1, "share": 1.0, "torch_version": "2", "host": "a"}
        for cell in study.cells
        for seed in study.seed_list
    ]
    curves = pd.DataFrame(rows)[["cell", "arm", "seed", "key", "steps", "epochs", "seconds"]]
    return Results(study, pd.DataFrame(rows), curves, datetime(2026, 11, 27, tzinfo=UTC))
