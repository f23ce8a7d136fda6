"""What people read of a report: nothing lost at any width, nothing from elsewhere in a page, nothing unescaped."""

import functools
import io
import math
import re
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from imagined_assessments import Pgd, WhiteNoise
from matplotlib.figure import Figure
from pictured_results import ALIGNMENT, GRID, NORM, NTK, pictured, pictured_study
from rich.console import Console
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.analyses import Column, Report, Table, make_report
from grokgrid.report import figures, files, html, terminal
from grokgrid.results import Results, State
from search_spaces import narrow, read_study, to_yaml

BASE = [501, 401, 601, 301, 701]
FAST = [101, 91, 111, 71, 151]
HOSTILE = '<script>alert("1")</script> [bold]&amp; $x^2$ \\input{secret} 100%'


@functools.cache
def complete() -> Report:
    reference = [
        {"arm": "jacobian", "measure": m, "value": 4.6, "error": 0.4, "source": "Nobody 2025"} for m in MEASURES
    ]
    study = synthetic_study(reference=reference)
    return make_report(synthetic_results(study, {"baseline": BASE, "jacobian": FAST}))


@functools.cache
def troubled() -> Report:
    """A grid with long names, in which everything goes wrong that can."""
    jacobian = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": [1e-3, 0.0123456789]}}
    study = synthetic_study(question=HOSTILE, arms={"baseline": {}, "a_method_with_quite_a_long_name": jacobian})
    names = [cell.name for cell in study.cells]
    outcomes: dict[str, list[Outcome]] = {
        names[0]: [501, (State.CENSORED, 991), (State.RUNNING, 301), State.MISSING, 601],
        names[1]: [101, 91, (State.DIVERGED, 51), 81, State.FAILED],
        names[2]: [(State.STOPPED, 41), 91, 71, 81, 121],
    }
    return make_report(synthetic_results(study, outcomes))


@functools.cache
def measured() -> Report:
    """Table 2, of four seeds, one of them diverged."""
    study = narrow(read_study("table2-ce"), seeds=4)
    end: Outcome = (State.FINISHED, 4 * 40_001)
    results = synthetic_results(
        study, {arm: [end] * 3 + [(State.DIVERGED, 44)] for arm in study.arms}, steps_per_epoch=4
    )
    metrics = [reference.metric for reference in study.reference]
    ends = {f"final/{metric}": np.sin(np.arange(len(results.trials)) + 1.0) for metric in metrics}
    return make_report(Results(study, results.trials.assign(**ends), results.curves, results.at))


@functools.cache
def against_lambda() -> Report:
    """Times and a metric against three strengths, one of which most trials of the baseline outdo."""
    grid = {"regulariser.strength": [1e-3, 1e-2, 1e-1]}
    study = synthetic_study(
        arms={"baseline": {}, "jacobian": {"regulariser": {"name": "jacobian"}, "grid": grid}},
        analyses=[{"kind": "lambda_curve", "arm": "jacobian", "baseline": "baseline"}],
    )
    outcomes: list[list[Outcome]] = [BASE, FAST, [31, 41, 21, 51, 61], [(State.CENSORED, 991)] * 5]
    return make_report(
        synthetic_results(study, {cell.name: times for cell, times in zip(study.cells, outcomes, strict=True)})
    )


@functools.cache
def robust() -> Report:
    """Under an attack and noise, with signs of masked gradients, one trial diverged and one size not measured."""
    trial = {name: value for name, value in synthetic_study().trial.items() if name != "goal"}
    study = synthetic_study(
        trial=trial,
        assessments=[Pgd(sizes=(8 / 255, 0.1)), WhiteNoise(sizes=(8 / 255, 0.1))],
        analyses=[{"kind": "robustness_curve", "baseline": "baseline"}],
    )
    end: Outcome = (State.FINISHED, 991)
    found = synthetic_results(study, {"baseline": [end] * 5, "jacobian": [end] * 4 + [(State.DIVERGED, 51)]})
    starts = [
        (start, size) for start in ("pgd_", "pgd_early_", "pgd_late_", "white_noise_") for size in (0, 8 / 255, 0.1)
    ]
    values = {
        f"final/{start}accuracy_at_{size:.4g}": 0.5 + 0.4 * np.sin(np.arange(10) + index)
        for index, (start, size) in enumerate(starts)
        if (start, size) != ("pgd_early_", 0.1)
    }
    return make_report(Results(study, found.trials.assign(**values), found.curves, found.at))


@functools.cache
def with_pictures() -> Report:
    """All three kinds, of a grid in which one trial diverged and one cell is missing."""
    panels = [{"metrics": [NTK, ALIGNMENT]}, {"metrics": [ALIGNMENT], "colour": NORM}]
    analyses = [
        {"kind": "panels", "rows": "arms", "panels": panels, "region": {"metric": NTK}},
        {"kind": "scatter", "x": f"first/{NTK}", "y": f"min/{NORM}", "colour": ALIGNMENT},
        {"kind": "heat_map", "metric": f"min/{NORM}", "x": "optimiser.lr", "y": "model.width"},
    ]
    study = pictured_study(arms={"standard": {"grid": GRID}, "other": {}}, analyses=analyses)
    first, second = (cell.name for cell in study.cells[:2])
    return make_report(
        pictured(study, {(first, 0): (State.DIVERGED, 30)} | {(second, s): State.MISSING for s in range(3)})
    )


@functools.cache
def not_begun() -> Report:
    return make_report(synthetic_results(synthetic_study(), {}))


MEASURES = ("steps", "seconds", "phase_seconds")
REPORTS = pytest.mark.parametrize(
    "found",
    [complete, troubled, measured, against_lambda, robust, with_pictures, not_begun],
    ids=lambda found: found.__name__,
)


def said(found: Report, width: int, **options: object) -> str:
    console = Console(file=io.StringIO(), width=width, **options)  # type: ignore[arg-type]
    terminal.show(found, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


class TestTerminal:
    @REPORTS
    @pytest.mark.parametrize("width", [60, 80, 120, 200])
    def test_fits_and_loses_no_value(self, found, width: int):
        text = said(found(), width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        for section in found().sections:
            for table in section.tables:
                for column in table.columns:
                    if column.kind == "value":
                        assert all(value in text for value in (column.label, *column.text))

    @REPORTS
    def test_says_everything(self, found):
        text = " ".join(said(found(), 80).split())
        for sentence in (found().headline, *found().notes):
            assert " ".join(sentence.split()) in text

    def test_what_holds_of_all_rows_names_none(self):
        text = said(measured(), 200)
        assert "\n- published without an error, or not over two or more seeds\n" in text

    def test_a_file_gets_no_codes_and_no_padding(self):
        text = said(complete(), 80)
        assert "\x1b" not in text
        assert "  \n" not in text
        assert "\x1b" in said(complete(), 80, force_terminal=True)

    def test_markup_of_others_is_text(self):
        assert HOSTILE in said(troubled(), 200)

    def test_an_old_terminal_gets_what_it_can_show(self):
        raw = io.BytesIO()
        console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=80)
        terminal.show(troubled(), console)
        console.file.flush()
        assert b"+/-" in raw.getvalue()

    def test_a_table_is_split_between_values_and_repeats_its_names(self):
        values = [Column(f"value {i}", (f"{i}.123456",) * 2) for i in range(6)]
        names = Column("measure", ("steps", "steps"), "name"), Column("arm", ("a", "b"), "name")
        table = Table("t", "T", pd.DataFrame(), (*names, *values))
        parts = list(terminal.parts(table, Console(file=io.StringIO(), width=40)))
        assert [[str(column.header) for column in part.columns] for part in parts] == [
            ["measure", "arm", "value 0", "value 1"],
            ["measure", "arm", "value 2", "value 3"],
            ["measure", "arm", "value 4", "value 5"],
        ]


class Links(HTMLParser):
    """Everything by which a page could reach outside itself, and what its tags come to."""

    VOID = {"meta", "br", "hr", "img", "link", "input", "path", "use", "rect"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "srcset", "action", "data") or name.endswith(":href"):
                self.links.append(value or "")
            self.links += re.findall(r"url\(([^)]*)\)", value or "")
            if name == "id":
                self.ids.append(value or "")
            assert not name.startswith("on")


class TestHtml:
    @REPORTS
    def test_is_one_page_that_needs_nothing_else(self, found, tmp_path: Path):
        path = html.write(found(), tmp_path / "new folder")
        assert path.name == "report.html" and [path] == list(path.parent.iterdir())
        text = path.read_text("utf-8")
        page = Links(text)
        assert not {"script", "link", "iframe", "img", "object", "base"} & set(page.tags)
        assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
        assert len(page.ids) == len(set(page.ids))
        assert not re.search(r"https?:|//[a-z]|@import|file:", text)

    @REPORTS
    def test_opens_with_the_question_and_the_headline(self, found):
        text = html.render(found())
        body = text[text.index("<body>") :]
        order = ["<h1>", 'class="headline"', "<table>", "The study"]
        assert [body.index(part) for part in order] == sorted(body.index(part) for part in order)

    def test_what_others_wrote_is_text(self):
        text = html.render(troubled())
        assert "<script" not in text
        assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; [bold]&amp;amp; $x^2$" in text

    def test_draws_in_the_ink_of_the_page_with_text_as_text(self):
        text = html.render(complete())
        assert text.count("<svg") == 4
        assert "currentColor" in text and "#010203" not in text
        assert re.search(r"<text[^>]*>fraction of seeds</text>", text)
        assert "DejaVu" not in text

    @REPORTS
    def test_figures_of_axes_are_figures(self, found):
        """A name with a dollar in it is a name; so powers of ten must not be formulas."""
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", html.render(found()))
        assert not [text for text in texts if "$" in text or "mathdefault" in text]

    def test_tells_what_it_rests_on(self):
        found = complete()
        text = html.render(found)
        assert all(key in text for key in found.tables["trials"]["key"])
        assert "strength: 0.01" in text
        assert "2026-11-21T09:30:00+00:00" in text and "2.15.0" in text and "Imagined CPU" in text
        assert "node-1" not in text

    def test_folders_of_whoever_ran_it_stay_there(self):
        data = {"name": "npz", "path": "/home/somebody/private/points.npz", "digest": f"sha256:{'0' * 64}"}
        study = synthetic_study(trial=synthetic_study().trial | {"data": data})
        assert "somebody" in to_yaml(study)
        text = html.render(make_report(synthetic_results(study, {"baseline": BASE})))
        assert "somebody" not in text and "private" not in text and "…/points.npz" in text

    def test_folders_in_the_reason_of_a_failure_stay_there_too(self):
        results = synthetic_results(synthetic_study(), {"baseline": [*BASE[:4], State.FAILED], "jacobian": FAST})
        reason = "DataError: data npz: /home/somebody/private/points.npz is not there, see https://example.org/a/b"
        told = Results(results.study, results.trials.assign(reason=reason), results.curves, results.at)
        text = html.render(make_report(told))
        assert "Reason: DataError: data npz: …/points.npz is not there, see https://example.org/a/b." in text
        assert "somebody" not in text

    def test_the_same_report_gives_the_same_page(self):
        assert html.render(complete()) == html.render(complete())

    def test_makes_no_figure_that_stays(self):
        html.render(complete())
        pyplot = sys.modules.get("matplotlib.pyplot")
        assert pyplot is None or not pyplot.get_fignums()


class TestFiles:
    @REPORTS
    def test_tables_come_back_as_they_were(self, found, tmp_path: Path):
        written = files.write(found(), tmp_path)
        assert sorted(written) == sorted(tmp_path.iterdir())
        for name, table in found().tables.items():
            assert list(pd.read_parquet(tmp_path / f"{name}.parquet").columns) == list(table.columns)
            pd.testing.assert_frame_equal(
                pd.read_parquet(tmp_path / f"{name}.parquet"), table, check_dtype=False, check_column_type=False
            )
            back = pd.read_csv(tmp_path / f"{name}.csv")
            assert list(back.columns) == list(table.columns) and len(back) == len(table)
            for column in table.select_dtypes("number"):
                np.testing.assert_allclose(back[column].astype(float), table[column].astype(float), rtol=1e-12)

    def test_figures_come_as_svg_and_if_asked_for_as_pdf(self, tmp_path: Path):
        names = {figure.name for section in complete().sections for figure in section.figures}
        for with_pdf in (False, True):
            _, written = figures.write(complete(), tmp_path, with_pdf=with_pdf)
            assert sorted(written) == sorted(tmp_path.iterdir())
            assert {path.stem for path in tmp_path.glob("*.svg")} == names
            assert {path.stem for path in tmp_path.glob("*.pdf")} == (names if with_pdf else set())

    def test_a_pdf_embeds_the_letters_in_use_as_a_font(self, tmp_path: Path):
        """TrueType, which publishers take."""
        figures.write(complete(), tmp_path, with_pdf=True)
        content = (tmp_path / "reached-fraction.pdf").read_bytes()
        streams = re.findall(rb"/FlateDecode.*?stream\r?\n(.*?)endstream", content, re.DOTALL)
        (font,) = (data for each in streams if (data := zlib.decompress(each)).startswith(b"\0\1\0\0"))
        assert "glyf" in TTFont(io.BytesIO(font))

    def test_what_cannot_be_drawn_or_written_is_missing_with_a_note(self, tmp_path: Path):
        """A size that Matplotlib refuses, and a folder where a file should go."""
        found = complete()
        first, second, *_ = [figure for section in found.sections for figure in section.figures]
        (tmp_path / f"{second.name}.pdf").mkdir()
        too_large = replace(first, draw=lambda: Figure(figsize=(1e9, math.nan)))
        sections = [
            replace(section, figures=tuple(too_large if figure is first else figure for figure in section.figures))
            for section in found.sections
        ]
        told, written = figures.write(replace(found, sections=tuple(sections)), tmp_path, with_pdf=True)
        assert not {path.stem for path in written} & {first.name}
        assert tmp_path / f"{second.name}.svg" in written and tmp_path / f"{second.name}.pdf" not in written
        about_first, about_second = [note for note in told.notes if note not in found.notes]
        assert f"({first.name}) is missing, for it cannot be drawn: " in about_first
        assert f"The file {second.name}.pdf is missing, for it cannot be drawn: IsADirectoryError" in about_second
        text = html.render(told)
        assert text.count("<svg") == html.render(found).count("<svg") - 1 and "IsADirectoryError" in text

    @REPORTS
    def test_latex_has_a_row_a_row_and_nothing_unescaped(self, found):
        for section in found().sections:
            for table in section.tables:
                if not table.num_rows:
                    continue
                text = files.latex(table)
                assert r"\toprule" in text and r"\bottomrule" in text
                body = text[text.index(r"\toprule") :]
                lines = [line for line in body.splitlines() if line.endswith(r"\\")]
                assert len(lines) == table.num_rows + 1
                assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(table.columns) - 1}
                assert not re.search(r"(?<!\\)[_#%^~]", body)
                assert body.isascii()

    def test_latex_of_hostile_text(self):
        table = Table("t", "Two\nlines", pd.DataFrame(), (Column("a_b", (HOSTILE,), "name"), Column("x", ("≥ 1 ± 2",))))
        text = files.latex(table)
        assert r"\textbackslash{}input\{secret\} 100\%" in text
        assert r"\$x\textasciicircum{}2\$" in text
        assert r"$\geq$ 1 $\pm$ 2" in text
        assert text.splitlines()[0].startswith("% Two lines.")
