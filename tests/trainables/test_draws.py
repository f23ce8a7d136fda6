"""What trials draw follows from seed, purpose and step alone, whatever was drawn before."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.draws import MOST_NUMBERS, Draws, chunk_steps
from trainables.randomness import Stream, generator, words

CPU = torch.device("cpu")


def draws(width: int, *, seed: int = 1, stream: Stream = Stream.REGULARISERS, name: str = "a") -> Draws:
    def draw(steps: int, drawing: torch.Generator) -> dict[str, torch.Tensor]:
        return {"numbers": torch.randn(steps, width, generator=drawing)}

    return Draws(draw, seed, stream, name, CPU)


@pytest.mark.parametrize(
    ("numbers", "steps"),
    [
        (0, 256),
        (1, 256),
        (2560, 256),
        (4096, 256),
        (4097, 128),
        (200_704, 4),
        (2**20, 1),
        (2**20 + 1, 1),
        (10**9, 1),
    ],
)
def test_a_chunk_is_the_largest_power_of_two_of_at_most_a_million_numbers(numbers: int, steps: int):
    assert chunk_steps(numbers) == steps


def test_a_chunk_is_drawn_at_once_by_its_own_generator():
    some = draws(MOST_NUMBERS // 8 + 1)
    assert some.num_steps == 4
    for step in (0, 3, 4, 9):
        chunk = torch.randn(
            4, MOST_NUMBERS // 8 + 1, generator=generator(1, Stream.REGULARISERS, *words("a"), step // 4)
        )
        assert torch.equal(some.at(step)["numbers"], chunk[step % 4])


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=12))
def test_in_whatever_order_steps_are_asked_for_they_draw_the_same(steps: list[int]):
    some = draws(3)
    assert all(torch.equal(some.at(step)["numbers"], draws(3).at(step)["numbers"]) for step in steps)


def test_steps_seeds_purposes_and_components_draw_differently():
    drawn = [
        draws(3).at(0),
        draws(3).at(1),
        draws(3).at(256),
        draws(3, seed=2).at(0),
        draws(3, stream=Stream.INPUT_TRANSFORMS).at(0),
        draws(3, name="b").at(0),
    ]
    assert len({tuple(each["numbers"].tolist()) for each in drawn}) == len(drawn)


def test_nothing_is_drawn_for_a_component_that_draws_nothing():
    assert Draws(lambda steps, drawing: {}, 1, Stream.REGULARISERS, "a", CPU).at(7) == {}
