"""MNIST restricted to some of its classes, balanced or not."""

import os
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from trainables.data.load import Data, load, of_trial
from trainables.datasets.base import Dataset

pytestmark = [
    pytest.mark.mnist,
    pytest.mark.skipif(
        "GROKGRID_DATA" not in os.environ, reason="GROKGRID_DATA does not say where the MNIST files are"
    ),
]


def loaded(**settings: Any) -> Data:
    config = TypeAdapter(Dataset).validate_python(settings)
    return load(config, torch.float32, torch.device("cpu"))


def test_zeros_and_ones_balanced():
    """The first 512 of each, in file order together: the labels of MNIST begin 5 0 4 1 9 2 1 3 1 4 3 5 3 6 1."""
    sizes = {"num_train": 1024, "num_validation": 100, "num_test": 1024}
    data = loaded(name="mnist", classes=[0, 1], task="binary", balanced=True, **sizes)
    assert data.num_outputs == 1 and data.y_train[:5].tolist() == [0, 1, 1, 1, 1]
    for on, num in (("train", 512), ("validation", 50), ("test", 512)):
        assert data.part(on)[1].bincount().tolist() == [num, num]
    every = loaded(name="mnist")
    for label in (0, 1):
        of_class = every.x_train[every.y_train == label]
        assert torch.equal(data.x_train[data.y_train == label], of_class[:512])
        assert torch.equal(data.part("validation")[0][data.part("validation")[1] == label], of_class[512:562])


def test_labels_are_places_among_the_classes():
    data, every = loaded(name="mnist", classes=[3, 8, 9]), loaded(name="mnist")
    there = torch.isin(every.y_test, torch.tensor([3, 8, 9]))
    assert torch.equal(torch.tensor([3, 8, 9])[data.y_test], every.y_test[there])
    assert torch.equal(data.x_test, every.x_test[there]) and data.num_outputs == 3


def test_are_all_there_by_default():
    every = loaded(name="mnist")
    for classes in ([0, 1], [2, 5, 7]):
        config = TypeAdapter(Dataset).validate_python({"name": "mnist", "classes": classes})
        assert config.num_train == int(torch.isin(every.y_train, torch.tensor(classes)).sum())
        assert config.num_test == int(torch.isin(every.y_test, torch.tensor(classes)).sum())


def test_all_classes_are_the_default():
    given = {"name": "mnist", "classes": list(range(10))}
    assert TypeAdapter(Dataset).validate_python(given) == TypeAdapter(Dataset).validate_python({"name": "mnist"})


def test_so_many_of_each_drawn_by_the_seed():
    config = TypeAdapter(Dataset).validate_python({"name": "mnist", "classes": [4, 6], "per_class": 7})
    data = of_trial(config, torch.float32, torch.device("cpu"), None, 3)
    assert data.y_train.bincount().tolist() == [7, 7]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"classes": [1, 0]}, "0 comes after 1: each should be larger"),
        ({"classes": [0, 10]}, "classes.1: 10 is not allowed"),
        ({"classes": [0.5, 1]}, "classes.0: 0.5 is not allowed"),
        ({"classes": [0.0, 1.0], "per_class": 3}, "classes"),
        ({"classes": [0, 1, 2], "task": "binary"}, "'binary' is not allowed: it is of two classes"),
        ({"classes": [0, 1], "num_train": 13_000}, "num_train: 13,000 is not allowed: there are 12,665"),
        ({"classes": [0, 1], "num_test": 2116}, "num_test: 2,116 is not allowed: there are 2,115"),
        ({"balanced": True, "num_train": 1024}, "num_train: 1,024 is not allowed: 10 classes have equal shares"),
        ({"balanced": True, "per_class": 5}, "balanced: true is not allowed beside per_class"),
    ],
)
def test_what_there_is_not_is_refused(settings: dict[str, Any], wrong: str):
    with pytest.raises(ValidationError, match=wrong):
        TypeAdapter(Dataset).validate_python({"name": "mnist"} | settings)
