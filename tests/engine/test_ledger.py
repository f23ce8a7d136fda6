from pathlib import Path

import pytest
from small_blocks import block, trial

from grokgrid.engine import Evaluated, Event, Failed, Finished, Started
from grokgrid.engine.ledger import Ledger
from trainables.records import Evaluation

A, B = trial(0), trial(1)


def evaluation(steps: int) -> Evaluated:
    return Evaluated(A.key, Evaluation(steps=steps, epochs=steps / 4, seconds=0.0, values={}))


def test_what_a_second_worker_repeats_is_told_once():
    ledger = Ledger(block("two", Path("unused"), A, B))
    first: list[Event] = [Started(A.key), evaluation(1), evaluation(6)]
    second: list[Event] = [Started(A.key), evaluation(6), evaluation(11), Finished(A.key), Started(B.key)]
    third: list[Event] = [Finished(A.key), Started(B.key), Failed(B.key, "log"), Finished(B.key)]
    told = [event for event in first + second + third if ledger.is_new(event)]
    assert told == [
        Started(A.key),
        evaluation(1),
        evaluation(6),
        evaluation(11),
        Finished(A.key),
        Started(B.key),
        Failed(B.key, "log"),
    ]


def test_the_rest_of_a_block_is_what_has_not_ended():
    ledger = Ledger(block("two", Path("unused"), A, B))
    ledger.is_new(Started(A.key))
    assert ledger.rest() == ledger.block
    ledger.is_new(Finished(A.key))
    assert ledger.rest().work == (B,)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("resources", "num_cpus", "num_gpus", "slots"),
    [
        ({"CPU": 8}, 1, 0, 8),
        ({"CPU": 8}, 3, 0, 2),
        ({"CPU": 1}, 0.1, 0, 10),
        ({"CPU": 64, "GPU": 2}, 1, 1, 2),
        ({"CPU": 64, "GPU": 2}, 1, 0.3, 6),  # 2 / 0.3 is 6.67: each GPU holds three.
        ({"CPU": 64, "GPU": 1}, 1, 1 / 49, 49),
        ({"CPU": 3, "GPU": 2}, 1, 0.25, 3),
        ({"GPU": 4}, 0, 2, 2),
    ],
)
def test_slots_are_counted_by_what_is_scarcest(
    resources: dict[str, float], num_cpus: float, num_gpus: float, slots: int
):
    from grokgrid.engine.ray import count_slots

    assert count_slots(resources, num_cpus, num_gpus) == slots
