"""What `plan` and `run` say about the content of users' data: what is refused, what is a warning, what is fine."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from trainables.data.content import Findings, Used, check_content
from trainables.data.inspection import inspect_arrays
from trainables.data.near_copies import TOLERANCE, near_copies

NUM_TRAIN, NUM_TEST = 60, 30


def drawn(seed: int = 0, dtype: Any = np.float32, num_features: int = 25) -> dict[str, Any]:
    """Data that nobody would object to: values of about 1, or bytes; three classes, each a third of either part."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(NUM_TRAIN + NUM_TEST, num_features))
    if dtype is np.uint8:
        x = rng.integers(0, 256, x.shape)
    y = np.arange(len(x)) % 3
    split = np.split(x.astype(dtype), [NUM_TRAIN]), np.split(y, [NUM_TRAIN])
    return dict(zip(("x_train", "x_test", "y_train", "y_test"), (*split[0], *split[1]), strict=True))


def found(used: Used = Used(), **changes: Any) -> Findings:  # noqa: B008
    return check_content(drawn() | changes, used)


def from_dtype(dtype: Any, shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Small labels as often as anything that the type can hold."""
    if dtype.hasobject:
        return st.just(np.full(shape, None))
    if dtype.kind == "V" or dtype == np.longdouble:
        return st.just(np.zeros(shape, dtype))
    small = st.integers(0, 2).map(np.dtype(dtype).type) if dtype.kind in "iuf" else st.nothing()
    return npst.arrays(dtype, shape, elements=small | npst.from_dtype(dtype))


def put(array: Any, index: Any, value: Any) -> Any:
    changed = array.copy()
    changed[index] = value
    return changed


DRAWN = drawn()
X, Y, X_TEST, Y_TEST = (DRAWN[name] for name in ("x_train", "y_train", "x_test", "y_test"))
BYTES = drawn(dtype=np.uint8)
UNIT = {"x_train": BYTES["x_train"] / 255, "x_test": BYTES["x_test"] / 255}
"""In [0, 1]."""

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": (
        {"x_train": put(X, ([4, 4, 9], [3, 7, 0]), np.nan)},
        "of the 1,500 values of 60 training examples 3 are NaN, in 2 examples; the first is x_train[4, 3] = nan",
    ),
    "infinity, in test examples": (
        {"x_test": put(X_TEST, (2, 24), -np.inf)},
        "of the 750 values of 30 test examples 1 is infinite, in 1 example; the first is x_test[2, 24] = -inf",
    ),
    "both": ({"x_train": put(put(X, (1, 0), np.inf), (0, 1), np.nan)}, "1 is NaN and 1 is infinite, in 2 examples"),
    "more than float32 holds": (
        {"x_train": put(X.astype(np.float64), (0, 0), 1e39)},
        "1 is beyond float32, in 1 example; the first is x_train[0, 0] = 1e+39",
    ),
    "NaN of examples with rows and columns": (
        {"x_train": put(X, (8, 7), np.nan).reshape(-1, 5, 5), "x_test": X_TEST.reshape(-1, 5, 5)},
        "the first is x_train[8, 1, 2] = nan",
    ),
    "uint8 beside [0, 1]": (
        {"x_train": BYTES["x_train"], "x_test": UNIT["x_test"]},
        "x_train is uint8 and x_test is float64, and uint8 alone is divided by 255",
    ),
    "[0, 1] beside uint8": (
        {"x_train": UNIT["x_train"], "x_test": BYTES["x_test"]},
        "x_train is float64 and x_test is",
    ),
    "uint8 beside the same as floats": ({"x_train": BYTES["x_train"], "x_test": BYTES["x_test"] * 1.0}, "is uint8 and"),
    "[0, 255] beside [0, 1]": (
        {"x_train": BYTES["x_train"] * 1.0, "x_test": UNIT["x_test"]},
        "training and test examples are scaled differently: training mean",
    ),
    "[0, 1] beside [0, 255]": ({"x_train": UNIT["x_train"], "x_test": BYTES["x_test"] * 1.0}, "from 0 to 255"),
    "0 and 1 as bytes beside 0 and 255": (
        {"x_train": BYTES["x_train"], "x_test": BYTES["x_test"] // 128},
        "are scaled differently",
    ),
    "nothing but zeros": ({"x_train": X * 0}, "all values of the 60 training examples are 0"),
    "one test value throughout": ({"x_test": X_TEST * 0 + 1.5}, "all values of the 30 test examples are 1.5"),
    "one example throughout": ({"x_train": np.tile(X[:1], (60, 1))}, "all 60 training examples are the same"),
    "labels from 1": (
        {"y_train": Y + 1, "y_test": Y_TEST + 1},
        "labels run from 1 to 3, and classes are counted from 0: a network would get 4 outputs for 3 classes;"
        " subtract 1",
    ),
    "labels with wide gaps": (
        {"y_train": Y * 100, "y_test": Y_TEST * 100},
        "labels run up to 200, and only 3 of the 201 classes occur; number them from 0 to 2",
    ),
    "a label of 2^63": ({"y_train": put(Y.astype(np.uint64), 0, 2**63)}, f"labels run up to {2**63}, and only 4 of"),
    "one class": ({"y_train": Y * 0, "y_test": Y_TEST * 0}, "all labels are 0: there is nothing to tell apart"),
    "one class to train on": ({"y_train": Y * 0}, "class 0 is the only one among 60 training examples"),
    "other classes in the test": (
        {"y_train": Y % 2, "y_test": Y_TEST % 2 + 2},
        "none of the 30 test examples is of a class that is trained on",
    ),
    "negative labels": ({"y_test": Y_TEST - 1}, "10 of 30 labels, the first y[0] = -1, are negative"),
    "labels as text": ({"y_test": Y_TEST.astype(str)}, "labels are needed as integers"),
    "labels as floats": ({"y_test": Y_TEST * 1.0}, "is float64 (30,): y.astype(int) gives classes"),
    "labels with NaN": ({"y_test": put(Y_TEST * 1.0, 5, np.nan)}, "1 of 30 labels, the first y[5] = nan, is not whole"),
    "labels with halves": ({"y_test": Y_TEST / 2}, "10 of 30 labels, the first y[1] = 0.5, are not whole numbers"),
    "true and false": ({"y_test": Y_TEST > 0}, "is bool (30,): y.astype(int) gives classes 0 and 1"),
    "a column of labels": ({"y_train": Y[:, None]}, "is int64 (60, 1): y[:, 0] has the right shape"),
    "one-hot labels": ({"y_train": np.eye(3)[Y]}, "is float64 (60, 3): these are one-hot rows; y.argmax(1) gives"),
    "several labels an example": ({"y_train": np.stack([Y, Y], 1)}, "one label an example is needed"),
    "too few labels": ({"y_train": Y[:-1]}, "there are 60 examples and 59 labels"),
    "labels of the other byte order": ({"y_train": Y.astype(">i8")}, "lie in the other order, astype('int64') turns"),
    "examples of the other byte order": (
        {"x_train": X.astype(">f4")},
        "lie in the other order, astype('float32') turns",
    ),
    "examples of integers": ({"x_train": X.astype(np.int16)}, "is int16: x_train.astype(np.float32) is taken as it is"),
    "complex examples": ({"x_train": X * 1j}, "x_train must be uint8 or float16, 32 or 64, is complex64"),
    "long doubles": ({"x_train": X.astype(np.longdouble)}, "x_train must be uint8 or float16, 32 or 64, is float128"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str):
    changes, sentence = REFUSED[kind]
    assert sentence in "\n".join(found(**changes).refusals)


WARNED: dict[str, tuple[dict[str, Any], str]] = {
    "[0, 1] beside [-1, 1]": (UNIT | {"x_test": UNIT["x_test"] * 2 - 1}, "examples may be scaled differently"),
    "[0, 1] beside standardised": (UNIT | {"x_test": (UNIT["x_test"] - 0.5) / 0.1}, "may be scaled differently"),
    "black on white beside white on black": (
        {"x_train": UNIT["x_train"] ** 8, "x_test": 1 - UNIT["x_test"] ** 8},
        "may be scaled differently: training mean",
    ),
    "[0, 255] as floats": (
        {"x_train": BYTES["x_train"] * 1.0, "x_test": BYTES["x_test"] * 1.0},
        "from 0 to 255 (float64 is not scaled, uint8 would be)",
    ),
    "scaled twice": ({"x_train": UNIT["x_train"] / 255, "x_test": UNIT["x_test"] / 255}, "values are far from 1"),
    "0 and 1 as bytes": (
        {"x_train": BYTES["x_train"] // 128, "x_test": BYTES["x_test"] // 128},
        "from 0 to 0.00392 (uint8 was divided by 255)",
    ),
    "empty examples": (
        {"x_train": put(X, [5, 7], 0)},
        "2 of 60 training examples hold one value throughout, the first is x_train[5]",
    ),
    "a gap in the labels": (
        {"y_train": Y + (Y > 1), "y_test": Y_TEST + (Y_TEST > 1)},
        "no example is of class 2, of classes 0 to 3",
    ),
    "a class without training examples": (
        {"y_train": Y % 2},
        "10 test examples of class 2, which no training example is of",
    ),
    "a class without test examples": (
        {"y_test": Y_TEST % 2},
        "no test example is of class 2, and 20 training examples",
    ),
    "unbalanced classes": (
        {"y_train": put(Y * 0, [3, 5, 9], [1, 2, 2])},
        "classes of the 60 training examples are unbalanced: 57 of class 0, and 1 of class 1; always answering 0 has an"
        " accuracy of 0.95",
    ),
    "ten times as many of one class": (
        {"y_train": np.repeat([0, 1, 2], [40, 16, 4])},
        "unbalanced: 40 of class 0, and 4 of class 2; always answering 0 has an accuracy of 0.667",
    ),
    "four fifths of one class": (
        {"y_train": np.repeat([0, 1], [48, 12]), "y_test": Y_TEST % 2},
        "unbalanced: 48 of class 0, and 12 of class 1; always answering 0 has an accuracy of 0.8",
    ),
    "unbalanced test classes": ({"y_test": put(Y_TEST * 0, 1, 1)}, "classes of the 30 test examples are unbalanced"),
    "test examples among the training examples": (
        {"x_test": put(X_TEST, [3, 8], X[[3, 11]])},
        "2 of 30 test examples are among the training examples: x_test[3] = x_train[3], x_test[8] = x_train[11]",
    ),
    "the same with another label": (
        {"x_test": put(X_TEST, [3, 8], X[[3, 10]])},
        "; 1 of them with another label, the first x_test[8] with 2 and x_train[10] with 1",
    ),
    "the same but for the sign of zero": (
        {"x_train": put(X, (3, 0), 0.0), "x_test": put(put(X_TEST, 3, X[3]), (3, 0), -0.0)},
        "1 of 30 test examples are among the training examples: x_test[3] = x_train[3]",
    ),
    "the same in another precision": (
        {"x_test": put(X_TEST, 3, X[3]).astype(np.float64)},
        "1 of 30 test examples are among the training examples: x_test[3] = x_train[3]",
    ),
    "test examples that differ by rounding": (
        {"x_test": put(X_TEST, [3, 8], X[[3, 10]] + np.array([[1e-6], [-1e-6]], np.float32))},
        "2 of 30 test examples are among the training examples but for rounding, equal to 1e-05 of their range:"
        " x_test[3] ≈ x_train[3], x_test[8] ≈ x_train[10]; 1 of them with another label, the first x_test[8] with 2",
    ),
    "training examples more than once": (
        {"x_train": put(X, [20, 40], X[0])},
        "2 of 60 training examples are copies of others: x_train[20] = x_train[0], x_train[40] = x_train[0]; 2 of them"
        " with another label, the first x_train[20] with 2 and x_train[0] with 0",
    ),
}


@pytest.mark.parametrize("kind", WARNED)
def test_warned_of(kind: str):
    changes, sentence = WARNED[kind]
    findings = found(**changes)
    assert sentence in "\n".join(findings.warnings)
    assert not findings.refusals


def test_of_other_scales_the_place_of_the_largest_value_is_said():
    (refusal,) = found(x_test=put(X_TEST, (4, 7), -1000.0)).refusals
    assert refusal.startswith("training and test examples are scaled differently")
    assert refusal.endswith("and x_test[4, 7] = -1000.0")
    images = {"x_train": put(X, (8, 7), 1e4).reshape(-1, 5, 5), "x_test": X_TEST.reshape(-1, 5, 5)}
    findings = found(**images)
    assert "the largest values in size are x_train[8, 1, 2] = 10000.0 and x_test[" in findings.refusals[0]
    assert "the largest in size is x_train[8, 1, 2] = 10000.0" in findings.warnings[0]


@pytest.mark.parametrize("place", ["x_train", "x_test"])
def test_a_bright_pixel_makes_no_near_copies(place: str):
    """Whose difference would be small beside it."""
    bright = put(X if place == "x_train" else X_TEST, (4, 7), 1e8)
    assert "rounding" not in "\n".join((*found(**{place: bright}).warnings, *found(**{place: bright}).refusals))


@given(st.lists(st.tuples(st.integers(0, NUM_TEST - 1), st.integers(0, NUM_TRAIN - 1)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_near_copies_are_those_that_a_comparison_of_all_pairs_finds(pairs: list[tuple[int, int]]):
    """Of differences on both sides of the limit."""
    rng, x_test = np.random.default_rng(len(pairs)), X_TEST.astype(np.float64)
    for row, copied in pairs:
        x_test[row] = X[copied] + rng.uniform(0.5, 1.5) * TOLERANCE * np.ptp(X[copied]) * rng.uniform(-1, 1, X.shape[1])
    limits = TOLERANCE * np.ptp(x_test - np.median(X, 0), axis=1)
    differences = np.abs(x_test[:, None] - X[None]).max(2)
    expected = [(int(row), int(each)) for row, each in np.argwhere(differences <= limits[:, None])]
    assert near_copies(X, np.arange(NUM_TRAIN), x_test, np.arange(NUM_TEST)) == expected


@pytest.mark.parametrize("content", ["bits", "one column", "nothing"])
def test_near_copies_of_data_with_few_values_are_looked_for_in_bounded_time(content: str):
    """With as many pairs to compare as there are pairs: 300 million."""
    x = np.zeros((30_000, 16), np.float32)
    if content == "bits":
        x[:] = np.random.default_rng(0).integers(0, 2, x.shape)
    elif content == "one column":
        x[:, 0] = np.arange(len(x)) % 2
    near_copies(x, np.arange(len(x)), x[:10_000], np.arange(10_000))


class TestSortedByClass:
    def warnings(self, labels: Any, used: Used = Used(), **trial: Any) -> str:  # noqa: B008
        return "\n".join(
            inspect_arrays(drawn() | {"y_train": labels}, used).warnings(**{"batch_size": 10, "shuffle": False} | trial)
        )

    def test_is_a_warning_where_batches_are_not_shuffled(self):
        expected = (
            "training examples are sorted by class, in 3 stretches of one class where a random order has about 41"
        )
        for labels in (np.sort(Y), np.sort(Y)[::-1].copy(), np.roll(np.sort(Y), 20)):
            assert self.warnings(labels).startswith(expected)
        assert "batches of 10 hold few classes. Give shuffle: true" in self.warnings(np.sort(Y))

    def test_also_in_parts_of_a_file(self):
        halves = np.concatenate([np.sort(Y[:30]), np.sort(Y[30:])])
        assert "in 6 stretches" in self.warnings(halves)
        assert "in 3 stretches" in self.warnings(halves, Used(num_train=30))

    def test_makes_no_difference_to_what_is_shuffled_or_used_at_once(self):
        for trial in ({"shuffle": True}, {"batch_size": None}, {"batch_size": 60}, {"batch_size": 99}):
            assert self.warnings(np.sort(Y), **trial) == ""

    @given(st.integers(0, 2**32 - 1), st.integers(2, 30))
    @settings(max_examples=60, deadline=None)
    def test_is_not_said_of_a_random_order(self, seed: int, num_classes: int):
        labels = np.random.default_rng(seed).permutation(np.arange(60) % num_classes)
        assert "sorted" not in self.warnings(labels, batch_size=1)


@pytest.mark.parametrize("label", [2**64 - 1, 2**53 + 1])
@pytest.mark.parametrize("part", ["y_train", "y_test"])
def test_large_labels_are_printed_exactly(part: str, label: int):
    """Beside labels of another type, with which NumPy would make floats of them."""
    labels = put((Y if part == "y_train" else Y_TEST).astype(np.uint64), 0, label)
    (refusal,) = found(**{part: labels}).refusals
    assert f"labels run up to {label}, and only 4 of the {label + 1:,} classes occur" in refusal


class TestOnlyWhatATrialUses:
    def test_sorted_by_class(self):
        sentence = "class 0 is the only one among 15 training examples: the file is sorted by class"
        assert sentence in found(Used(num_train=15), y_train=np.sort(Y)).refusals[0]
        assert not found(y_train=np.sort(Y)).refusals

    def test_values_behind_it_do_not_matter(self):
        broken = {"x_train": put(X, 50, np.nan), "x_test": put(X_TEST, 20, np.nan)}
        assert found(Used(num_train=50, num_test=20), **broken) == Findings()
        assert len(found(Used(num_train=51, num_test=21), **broken).refusals) == 2

    def test_examples_held_out_are_looked_at_as_well(self):
        held_out = Used(num_train=30, num_validation=15)
        assert found(held_out) == Findings()
        (refusal,) = found(held_out, x_train=put(X, (40, 2), np.nan)).refusals
        assert "15 validation examples 1 is NaN" in refusal and "x_train[40, 2]" in refusal
        (warning,) = found(held_out, x_train=put(X, 33, X[3])).warnings
        assert warning.startswith(
            "1 of 15 validation examples are among the training examples: x_train[33] = x_train[3]"
        )
        assert found(held_out, x_train=put(X, 50, X[3])) == Findings()

    def test_more_than_there_is(self):
        """Another check refuses the number; this one must not stumble."""
        assert found(Used(num_train=100, num_validation=100, num_test=100)) == Findings()


@pytest.mark.parametrize("num_bytes", [1, 250, 2**22])
def test_places_do_not_depend_on_how_much_is_read_at_a_time(num_bytes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trainables.data.parts._CHUNK_BYTES", num_bytes)
    warnings = "\n".join(found(x_train=put(X, [25, 37], [[1.0], [2.0]]), x_test=put(X_TEST, 17, X[29])).warnings)
    assert "2 of 60 training examples hold one value throughout, the first is x_train[25]" in warnings
    assert "x_test[17] = x_train[29]" in warnings


def test_all_problems_at_once():
    findings = found(x_train=put(X, 0, np.nan), x_test=put(X_TEST, 0, np.inf), y_train=Y + 1, y_test=Y_TEST + 1)
    assert len(findings.refusals) == 3


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.uint8, np.float16, np.float32, np.float64]))
@settings(max_examples=30, deadline=None)
def test_nothing_is_said_of_ordinary_data(seed: int, dtype: Any):
    assert check_content(drawn(seed, dtype)) == Findings()


@pytest.mark.parametrize("order", ["C", "F"])
def test_few_features_may_repeat(order: Any):
    """Four clusters at the corners of a square: equal coordinates are no empty examples; repetitions are named."""
    corners = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
    x, y = np.tile(corners, (10, 1)), np.tile([0, 1, 1, 0], 10)
    assert found(x_train=np.asarray(x, order=order), y_train=y, x_test=x, y_test=y).refusals == ()
    assert all("one value" not in warning for warning in found(x_train=x, y_train=y, x_test=x, y_test=y).warnings)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_counts_and_places_are_right(data: st.DataObject):
    """Against a count by hand, with values planted across the chunks that the check reads."""
    places = data.draw(st.sets(st.tuples(st.integers(0, NUM_TRAIN - 1), st.integers(0, 24)), min_size=1, max_size=20))
    x = X.copy()
    for place in places:
        x[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainables.data.parts._CHUNK_BYTES", data.draw(st.integers(1, 10_000)))
        (refusal,) = found(x_train=x).refusals
    num_nan, num_infinite = int(np.isnan(x).sum()), int(np.isinf(x).sum())
    for num, kind in ((num_nan, "NaN"), (num_infinite, "infinite")):
        assert (f"{num} {'is' if num == 1 else 'are'} {kind}" in refusal) == (num > 0)
    assert f"in {len({row for row, _ in places})} example" in refusal
    row, column = min(places)
    assert f"the first is x_train[{row}, {column}] = {x[row, column]}" in refusal


KINDS = "b1 i1 u1 i2 <i4 >i4 i8 u8 f2 <f4 >f4 f8 f16 c8 c16 M8[s] m8[s] S3 U2 V4 O".split()
SHAPES = [(), (0,), (1,), (4,), (4, 1), (4, 0), (0, 3), (4, 3), (4, 2, 2), (4, 17), (60, 4), (1, 3)]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_accepted_can_be_trained_on(data: st.DataObject):
    """Arrays of any type and shape are either refused, or become finite numbers and labels within the classes."""

    arrays = drawn(data.draw(st.integers(0, 9)), data.draw(st.sampled_from([np.uint8, np.float16, np.float64])), 3)
    for name in arrays:
        if data.draw(st.integers(0, 5), label=f"{name} is odd if 0") == 0:
            kind = np.dtype(data.draw(st.sampled_from([*KINDS, arrays[name].dtype])))
            arrays[name] = data.draw(from_dtype(kind, data.draw(st.sampled_from([*SHAPES, arrays[name].shape]))))
        elif data.draw(st.booleans(), label=f"{name} has odd values"):
            rows = st.lists(st.integers(0, len(arrays[name]) - 1), min_size=1, max_size=3)
            values = from_dtype(arrays[name].dtype, arrays[name].shape[1:])
            for row in data.draw(rows):
                arrays[name][row] = data.draw(values)
    num = st.sampled_from([None, None, 20, 60, 1, 99])
    used = Used(data.draw(num), 0, data.draw(num))
    findings = check_content(arrays, used)
    assert all(len(sentence) < 600 for sentence in (*findings.refusals, *findings.warnings))
    if not findings.refusals:
        for part, number in (("train", used.num_train), ("test", used.num_test)):
            assert torch.from_numpy(arrays[f"x_{part}"][:number]).to(torch.float32).isfinite().all()
            assert int(torch.from_numpy(arrays[f"y_{part}"]).to(torch.int64).min()) >= 0


@given(st.lists(st.tuples(st.integers(0, NUM_TEST - 1), st.integers(0, NUM_TRAIN - 1)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_every_copy_is_counted(pairs: list[tuple[int, int]]):
    x_test = X_TEST.copy()
    for row, copied in pairs:
        x_test[row] = X[copied]
    copies = dict(pairs)
    relabelled = sum(Y_TEST[row] != Y[copied] for row, copied in copies.items())
    (warning,) = found(x_test=x_test).warnings
    assert warning.startswith(f"{len(copies)} of 30 test examples are among the training examples: ")
    row = min(copies)
    assert f": x_test[{row}] = x_train[{copies[row]}]" in warning
    assert (f"{relabelled} of them with another label" in warning) == (relabelled > 0)
