"""A study that asks for pictures, from its file to its report; and what is told before anything starts."""

from pathlib import Path

import pandas as pd
from driver_studies import Grokgrid

STUDY = """\
name: pictured
question: What does it look like?
seeds: 2
trial:
  data: {name: digits, num_train: 60, num_test: 60}
  model: {name: mlp, width: 8, depth: 2}
  loss: cross_entropy
  optimiser: {name: sgd, lr: 0.1}
  budget: {steps: 20}
  evaluate: {per_decade: 3, first: 0}
  probes: [{name: centroid, num_points: 5, every: 1}, {name: ntk, num_points: 4, every: 1}]
arms:
  standard: {grid: {model.width: [8, 16], optimiser.lr: [0.1, 0.5]}}
  wild: {optimiser: {lr: 1.0e+30}}
analyses:
  - kind: panels
    rows: arms
    panels:
      - {metrics: [train_accuracy, test_accuracy]}
      - {metrics: [train_centroid_alignment_mean], colour: train_centroid_norm_mean}
    region: {metric: train_ntk_mean}
  - kind: scatter
    x: first/train_ntk_mean
    y: first/train_centroid_norm_mean
    colour: max/train_centroid_alignment_mean
  - {kind: heat_map, metric: max/train_centroid_alignment_mean, x: optimiser.lr, y: model.width}
"""


def test_pictures_are_in_the_report(grokgrid: Grokgrid, tmp_path: Path, ready_home: Path):
    (tmp_path / "study.yaml").write_text(STUDY)
    out = tmp_path / "out"
    ran = grokgrid("run", tmp_path / "study.yaml", "--engine", "inline", "--out", out)
    assert ran.exit_code == 0, ran.output
    names = {path.name for path in out.iterdir()}
    for name in ("panels", "scatter", "heat_map"):
        assert {f"{name}.svg", f"{name}.pdf", f"{name}.parquet", f"{name}.csv"} <= names
    page = next(out.glob("*.html")).read_text("utf-8")
    assert page.count("<svg") == 3 and "cannot be drawn" not in page
    assert "wild 2 diverged: no mean is made of those that diverged" in page
    curves, scatter = pd.read_parquet(out / "panels.parquet"), pd.read_parquet(out / "scatter.parquet")
    assert curves["steps"].min() == 0 and set(curves["cell"].str.split().str[0]) == {"standard"}
    assert set(curves["n"][curves["metric"] == "test_accuracy"]) == {2}
    assert len(scatter) == 4 * 2, "the wild arm has no end"
    # The network is the same whatever the rate, before it is trained.
    at_first = scatter[scatter["model.width"] == 8].groupby("seed")[["x", "y"]].nunique()
    assert (at_first == 1).all(axis=None)


def test_mistakes_are_told_before_anything_starts(grokgrid: Grokgrid, tmp_path: Path):
    text = STUDY.replace("x: optimiser.lr", "x: optimiser.rate").replace(
        "metric: train_ntk_mean}", "metric: ntk, share: 1}"
    )
    (tmp_path / "study.yaml").write_text(text)
    told = grokgrid("run", tmp_path / "study.yaml", "--engine", "inline")
    assert told.exit_code == 2
    said = " ".join(told.stderr.split())
    assert "3 problems" in said
    assert "analyses.0.region.share: 1 is not allowed: it should be less than 1" in said
    assert "analyses.0.region.metric: 'ntk' is not measured" in said
    assert "analyses.2.x: 'optimiser.rate' is not on any arm's grid; did you mean" in said
