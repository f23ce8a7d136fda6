"""Names from what users write: no two values share one, each fits its back end, plain ones stay as they are."""

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainables.names import (
    MAX_KEY,
    MAX_PARAM,
    alike,
    file_part,
    fit_one_column,
    fitted,
    is_reserved,
    numbered,
    segment,
    shortened,
    written,
)

TEXTS = st.text(st.characters(codec=None), max_size=300) | st.sampled_from(
    ["", ".", "..", "a b", "a:b", "a_b", "a/b", "1", "1.0", "1e3", "true", "True", "null", "None", "nan", "inf", "[1]"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)

ODD = ["a:b", "a b", "a_b", "A_b", "", "..", "x" * 300, "1", 1, True, "true", None, "null", "None", [1], "[1]", 1e16]
"""Values of one setting, no two alike."""


def same(one: Any, other: Any) -> bool:
    """As a grid compares them, but for 1 and 1.0, of which it takes one only."""
    return repr(one) == repr(other)


@pytest.mark.parametrize("value", [0.001, 1, 1.0, -0.5, 1e-05, True, None, "relu", "ReLU", "a_b", "half_mean_square"])
def test_a_plain_value_stays_as_it_is(value: Any):
    assert segment(value) == str(value)
    assert written(value) == str(value)


@pytest.mark.parametrize("name", [segment, written])
def test_odd_values_have_names_of_their_own(name: Any):
    assert len({name(value) for value in ODD}) == len(ODD)


@given(VALUES, VALUES)
@example("1", 1)
@example("1e16", 1e16)
@example("True", True)
@example("a b", segment("a b"))
@example(written("x" * 99), "x" * 99)
def test_two_values_never_share_a_name(one: Any, other: Any):
    if same(one, other):
        assert (segment(one), written(one)) == (segment(other), written(other))
    else:
        assert segment(one) != segment(other)
        assert written(one) != written(other)


def test_numbers_that_python_does_not_write_out_differ():
    one, other = 10**5000, 10**5000 + 1
    assert segment(one) != segment(other) and written(one) != written(other)
    assert segment([one]) != segment([other]) and written([one]) != written([other])


@given(VALUES)
def test_a_part_of_a_metric_is_short_and_plain_and_no_path(value: Any):
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", segment(value))
    assert segment(value).strip(".")


@given(VALUES)
def test_what_people_read_can_be_printed(value: Any):
    assert written(value).isprintable() and len(written(value)) <= 60


def test_an_accent_that_is_encoded_in_two_ways_is_seen():
    composed = "caf\u00e9"
    assert written(composed) == composed
    assert written(unicodedata.normalize("NFD", composed)) == r"'cafe\u0301'"


@given(st.lists(TEXTS, max_size=8))
@example(["A", "a", "\u00e5", "a" * 400, "a" * 401, "./a", "a//b", "a/../b", "a", " "])
def test_keys_of_mlflow_differ_also_where_case_and_accents_are_ignored(texts: list[str]):
    names = fitted(texts)
    assert list(names) == list(dict.fromkeys(texts))
    assert not alike(names.values()) and len(set(names.values())) == len(names)
    for name in names.values():
        assert re.fullmatch(r"[\w./-]+", name, re.ASCII) and len(name) <= MAX_KEY
        assert not name.startswith(("/", ".")) and not {"", ".", ".."} & set(name.split("/"))


def test_keys_that_fit_stay():
    keys = ["acceleration/jacobian/strength/0.001/steps/low", "model.width", "max/test_accuracy"]
    assert fitted(keys) == {key: key for key in keys}


@given(TEXTS, TEXTS)
@example("a.b", "a-b")
def test_parts_of_files_differ(one: str, other: str):
    assert (file_part(one, ".") == file_part(other, ".")) == (one == other)
    assert re.fullmatch(r"[\w.-]{1,80}", file_part(one, "."), re.ASCII)


def test_parts_of_files_stay_readable():
    assert file_part("regulariser.strength", ".") == "regulariser-strength"
    assert file_part("max/test_accuracy", "/") == "max-test_accuracy"


@given(st.text(st.characters(codec=None)))
def test_values_are_texts_that_every_database_takes(text: str):
    value = shortened(text * 100, MAX_PARAM)
    assert len(value) <= MAX_PARAM and "\0" not in value
    value.encode()


def test_long_values_that_differ_at_their_ends_differ():
    assert shortened("x" * 9000 + "a", MAX_PARAM) != shortened("x" * 9000 + "b", MAX_PARAM)


def test_an_arm_made_of_another_is_a_name_of_its_own():
    assert numbered("jacobian", 2, ["baseline"]) == "jacobian-2"
    assert numbered("a", 1, ["A-1"]) not in ("a-1", "A-1")
    assert len({numbered("a" * 40, number, ["b"]) for number in range(1, 30)}) == 29
    assert len(numbered("a" * 40, 10, ["b"])) == 40


@pytest.mark.parametrize("name", ["grokgrid-trials", "grokgrid-imports", "default", "nul", "con.1", "a."])
def test_names_that_something_else_has_are_reserved(name: str):
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["demo", "console", "a.b", "con-1", "table1-ce"])
def test_others_are_free(name: str):
    assert not is_reserved(name)


@pytest.mark.parametrize(
    ("values", "fit"),
    [
        ([1, 2.5, None], True),
        (["a", "b"], True),
        ([1, "1"], False),
        ([True, 1], False),
        ([[1]], False),
        ([2**64], False),
    ],
)
def test_a_column_holds_values_of_one_kind(values: list[Any], fit: bool):
    assert fit_one_column(values) == fit
