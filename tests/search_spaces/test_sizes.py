"""What is too large, too deep or cannot be printed is refused before anything is made of it, in a few short lines."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_bad_studies import RIGHT

from search_spaces import Study, narrow, read_study
from trainables.reading import parse_value, parse_yaml
from trainables.validation import Problem, ValidationErrors

MEASURED = """
import json, re, sys
from pathlib import Path
from search_spaces import read_study
try:
    read_study(sys.argv[1])
    told = ""
except ValueError as error:
    told = str(error)
most = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([told, int(most[1]) / 1024]))
"""
"""Prints the message, and the most memory that the process had, in MiB."""


def with_grid(axes: str) -> str:
    return RIGHT.replace("strength: 1e-3}", f"strength: 1e-3}}, grid: {{{axes}}}")


def numbers(num: int) -> str:
    return "[" + ", ".join(str(number / num) for number in range(1, num + 1)) + "]"


def axes(num: int, each: int) -> str:
    axis = f"{{linspace: {{from: 1, to: 2, num: {each}}}}}"
    return ", ".join(f"optimiser.setting_{index}: {axis}" for index in range(num))


TOO_LARGE: dict[str, Callable[[], tuple[str, str]]] = {
    "a file": lambda: (RIGHT + "# " + "x" * 2**20, "is larger than 1 MiB, which is the limit"),
    "a whole number": lambda: (
        RIGHT.replace("seeds: 2", "seeds: " + "9" * 5000),
        "line 3: seeds: is a whole number of 5,000 digits; at most 100 are allowed",
    ),
    "a grid": lambda: (
        with_grid(axes(4, 1000)),
        "line 13: arms.jacobian.grid: makes 1,000,000,000,000 cells; a study has at most 10,000",
    ),
    "a grid beyond counting": lambda: (with_grid(axes(1000, 10_000)), "makes more than 10^15 cells"),
    "an axis": lambda: (
        with_grid(f"optimiser.lr: {numbers(100_000)}"),
        "arms.jacobian.grid.optimiser.lr: holds more than 10,000 values, which is the limit",
    ),
    "cells altogether": lambda: (
        with_grid(f"optimiser.lr: {numbers(10_000)}"),
        "arms: makes 10,001 cells; a study has at most 10,000",
    ),
    "trials": lambda: (
        with_grid("optimiser.lr: " + numbers(200)).replace("seeds: 2", "seeds: 10000"),
        "line 3: seeds: 10,000 seeds of 201 cells make 2,010,000 trials; a study has at most 1,000,000",
    ),
    "a number of seeds": lambda: (RIGHT.replace("seeds: 2", "seeds: 1000000000"), "it should be less than or equal to"),
    "a list of seeds": lambda: (
        RIGHT.replace("seeds: 2", f"seeds: {list(range(20_000))}"),
        "line 3: seeds: holds more than 10,000 values, which is the limit",
    ),
    "wrong seeds": lambda: (RIGHT.replace("seeds: 2", f"seeds: {['x'] * 10_000}"), "problems or more"),
    "wrong probes": lambda: (
        RIGHT.replace("  loss:", f"  probes: {[{'name': 'jacobian_norm'}] * 9_000}\n  loss:"),
        "would be measured by two probes",
    ),
    "depth": lambda: (RIGHT.replace("seeds: 2", "seeds: " + "[" * 100_000), "lies more than 50 levels deep"),
    "evaluations": lambda: (
        RIGHT.replace("budget: {epochs: 100}", "budget: {epochs: 100}\n  evaluate: {per_decade: 1000000000}"),
        "trial.evaluate.per_decade: 1000000000 is not allowed",
    ),
    "text": lambda: (RIGHT.replace("width: 16", "width: " + "w" * 900_000), "trial.model.width: 'www"),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_too_much_is_refused_in_little_memory(what: str, tmp_path: Path):
    text, told = TOO_LARGE[what]()
    path = tmp_path / "study.yaml"
    path.write_text(text)
    command = [sys.executable, "-c", MEASURED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    message, mib = json.loads(done.stdout)
    assert told in message
    assert message.count("\n") < 20 and len(message) < 2000
    assert mib < 300


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seeds": range(10**9)}, "seeds: holds more than 10,000 values"),
        ({"seeds": 10**5000}, "seeds: is a whole number of more than 100 digits"),
        ({"arms": {f"a{number}": {} for number in range(20_000)}}, "arms: holds more than 10,000 values"),
        ({"question": "\x1b[31mred"}, "question: holds the character U\\+001B"),
        ({"question": "half \ud83d"}, "question: holds the character U\\+D83D"),
        ({"arms": {"a": {"grid": {"a." * 100 + "b": [1, 2]}}}}, "is not the path of a setting"),
    ],
)
def test_what_is_built_in_python_has_the_same_limits(changes: dict[str, Any], told: str, tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(RIGHT)
    with pytest.raises(ValueError, match=told):
        Study.model_validate(read_study(path).model_dump() | changes)


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"budget": {"trials": 10**9}}, "search.budget.trials: 1000000000 is not allowed"),
        ({"budget": {"candidates": 10**9}}, "search.budget.candidates: 1000000000 is not allowed"),
        ({"seeds": list(range(2000))}, "search.seeds: .* it should hold at most 1,000"),
        ({"settings": {"a": {"choice": list(range(2000))}}}, "search.settings.a.choice: .* should hold at most 1,000"),
        ({"settings": {f"s{n}": {"uniform": {"from": 0, "to": 1}} for n in range(60)}}, "it should hold at most 50"),
        ({"settings": {"a": {"choice": [1, True]}}}, "choice: 1 and true are one value here"),
        ({"settings": {"a": {"choice": [1.0, float("nan")]}}}, "choice: holds .nan"),
        ({"settings": {"a.B": {"choice": [1, 2]}, "a.b": {"choice": [1, 2]}}}, "differ in nothing but case"),
    ],
)
def test_searches_have_limits(search: dict[str, Any], told: str, tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(RIGHT)
    settings = {"arm": "jacobian", "baseline": "baseline", "settings": {"regulariser.strength": {"choice": [1, 2]}}}
    with pytest.raises(ValueError, match=told):
        Study.model_validate(read_study(path).model_dump() | {"search": settings | search})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("!!int x", "the tag '!!int' is not allowed; leave it out"),
        ("!mine x", "the tag '!mine' is not allowed"),
        ('"\\e[31m"', r"holds the character U\+001B, which cannot be printed"),
        ("\x1b[31m", r"holds the character U\+001B"),
        ("a\0b", r"holds the character U\+0000"),
        ("\udcff", r"holds the character U\+DCFF"),
        ('"\\u202e"', r"holds the character U\+202E"),
        ("9" * 101, "is a whole number of 101 digits; at most 100 are allowed"),
        ("{<<: {a: 1}}", "merge keys, <<, are not allowed; write the fields out"),
        ("[" * 60 + "]" * 60, "lies more than 50 levels deep"),
        ("&a [*a]", "the alias \\*a stands inside what it stands for"),
        ("*a", "the alias \\*a stands for nothing above"),
    ],
)
def test_what_no_value_may_be(value: str, told: str, tmp_path: Path):
    with pytest.raises(ValidationErrors, match=told):
        parse_value(value)
    with pytest.raises(ValidationErrors, match=told):
        parse_yaml(f"a: {value}", source="t")
    path = tmp_path / "study.yaml"
    path.write_text(RIGHT)
    with pytest.raises(ValidationErrors, match="^right: --set trial.loss=.*: .*" + told) as caught:
        narrow(read_study(path), settings=[f"trial.loss={value}"])
    assert str(caught.value).isprintable()


def test_aliases_may_repeat_a_value_and_are_named_by_their_own_lines():
    read = parse_yaml("a: &x\n  b: [1, 2]\nc: *x\nd: {e: *x}", source="t")
    assert read.content == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": {"e": {"b": [1, 2]}}}
    assert read.lines["c", "b", 1] == 2 and read.lines["d", "e"] == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_bytes(RIGHT.replace("Is it sooner?", "Früher 😀?").encode(encoding))
    assert read_study(path).question == "Früher 😀?"


def test_a_file_may_have_the_line_ends_of_windows(tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(RIGHT)
    study = read_study(path)
    path.write_bytes(RIGHT.replace("\n", "\r\n").encode())
    assert read_study(path) == study
    path.write_bytes(RIGHT.encode().replace(b"name:", b"na\rme:", 1))
    with pytest.raises(ValidationErrors, match=r"U\+000D"):
        read_study(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _no_text(path: Path) -> None:
    path.write_bytes(RIGHT.encode("utf-16"))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "is no file, but a folder, a pipe or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "is no file, but a folder, a pipe or a device"),
        (_folder, "is no file, but a folder, a pipe or a device"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (_no_text, "is not text in UTF-8"),
    ],
)
def test_what_is_no_file_of_text_is_refused_without_waiting(make: Callable[[Path], None], told: str, tmp_path: Path):
    make(tmp_path / "study.yaml")
    with pytest.raises(ValidationErrors, match=told):
        read_study(tmp_path / "study.yaml")


class TestMessages:
    def test_of_many_problems_the_first_are_told(self):
        message = str(ValidationErrors("s.yaml", [Problem(("seeds", number), "is wrong") for number in range(50)]))
        lines = message.splitlines()
        assert lines[:2] == ["s.yaml: 50 problems", "  seeds.0: is wrong"]
        assert len(lines) < 20 and lines[-1] == f"  and {50 - (len(lines) - 2)} more"

    def test_long_ones_are_cut(self):
        long = [Problem(("x" * 5000,), "\n".join(["y" * 500] * 50) + str(number)) for number in range(5)]
        for problems in (long, long[:1]):
            message = str(ValidationErrors("z" * 5000 + ".yaml", problems))
            assert message.count("\n") < 20 and len(message) < 2000

    def test_no_control_characters_reach_a_terminal(self):
        message = str(ValidationErrors("a\x1b[31m.yaml", [Problem(("b\x07", "c\nd"), "e\x9b \ud800 \u202e")]))
        assert message == r"a\x1b[31m.yaml: b\x07.c\nd: e\x9b \ud800 \u202e"


def test_the_command_prints_no_escapes_of_a_file_and_ends_with_2(tmp_path: Path):
    (tmp_path / "\x1b[31m.yaml").write_text(RIGHT.replace("name: right", "name: 'x\\e'"))
    grokgrid = str(Path(sys.executable).with_name("grokgrid"))
    done = subprocess.run(
        [grokgrid, "plan", "\x1b[31m.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(r"\x1b[31m.yaml: line 1: name: 'x\\e' is not allowed")
    assert done.stderr.strip().isprintable()
