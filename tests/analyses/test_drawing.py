"""What every figure keeps to, whatever it shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from grokgrid.analyses import drawing
from grokgrid.statistics import Times
from search_spaces import Study


@settings(deadline=None, max_examples=50)
@given(
    low=st.floats(1e-5, 1e4),
    span=st.one_of(st.floats(1.2, 2), st.floats(2, 5), st.floats(5, 1e5)),
)
def test_a_logarithmic_axis_has_figures_that_are_true_and_do_not_overlap(low: float, span: float):
    figure, axes = drawing.new_figure(height=3.6)
    axes.set_xlim(low, low * span)
    drawing.log_axis(axes, "steps")
    FigureCanvasAgg(figure).draw()
    ticks = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= low * span]
    assert len(ticks) >= 2
    for tick in ticks:
        assert float(tick.label1.get_text().replace(",", "")) == pytest.approx(tick.get_loc(), rel=1e-5)
    boxes = sorted((tick.label1.get_window_extent() for tick in ticks), key=lambda box: box.x0)
    assert all(left.x1 < right.x0 for left, right in zip(boxes[:-1], boxes[1:], strict=True))


@pytest.mark.parametrize("num_strengths", [1, 10, 11, 40])
def test_a_legend_fits_and_tells_the_first_and_the_last_of_an_arm_of_many(num_strengths: int):
    grid = {"regulariser.strength": [float(x) for x in np.geomspace(1e-6, 1, num_strengths)]}
    study = Study(
        name="many",
        question="?",
        seeds=2,
        trial={
            "data": "digits",
            "model": "mlp",
            "loss": "cross_entropy",
            "optimiser": {"name": "adamw", "lr": 1e-3},
            "budget": {"steps": 10},
            "goal": {"metric": "test_accuracy", "above": 0.85},
        },
        arms={f"jacobian-{i}": {"regulariser": {"name": "jacobian"}, "grid": grid} for i in range(4)},
    )
    times = {cell.name: Times([5.0, 6.0], [True, True], [0, 1]) for cell in study.cells}
    figure = drawing.fractions(study, times, "steps")
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    legend = axes.get_legend()
    told = [text.get_text() for text in legend.get_texts()]
    assert len(told) == 4 * min(10, num_strengths)
    assert told[0].startswith("jacobian-0 ") and told[-1].startswith("jacobian-3 ")
    if num_strengths > 1:
        assert "strength=1e-06 (2/2)" in told[0] and "strength=1 (2/2)" in told[-1]
    assert legend.get_title().get_text() == (f"40 of {4 * num_strengths} cells" if num_strengths > 10 else "")
    box = legend.get_window_extent()
    assert box.y0 >= 0 and box.x1 <= figure.bbox.x1
