"""Engines for the tests."""

import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from small_blocks import KINDS, Kind, block, collect, curves, ended

from grokgrid.engine import Engine, InlineEngine


@pytest.fixture(scope="session")
def new_ray_engine() -> Iterator[Callable[[], Engine]]:
    """Engines of two slots on one Ray, which has room for several of them; each has workers of its own."""
    from grokgrid.engine import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "SLICE_S", 0.1)  # So that trials are caught in their midst, on fast machines too.
        with ray.RayEngine(num_slots=16):
            yield lambda: ray.RayEngine(num_slots=2)


CLIENT_ADDRESS = os.environ.get("GROKGRID_TEST_RAY_CLIENT")
"""Set by tests/platform/test_cluster.py, which runs the contract on the engine that is attached to its cluster."""

_SUPERVISED = pytest.param("supervised", marks=[pytest.mark.ray, pytest.mark.slow])
ENGINES = ["attached"] if CLIENT_ADDRESS else ["inline", pytest.param("ray", marks=pytest.mark.ray), _SUPERVISED]


@pytest.fixture(scope="session", params=ENGINES)
def new_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Engine]:
    """Starts an engine, for tests that close it themselves."""
    if request.param == "attached":
        from grokgrid.engine.attached import AttachedEngine

        assert CLIENT_ADDRESS is not None
        storage = tmp_path_factory.mktemp("attached") / "trials"
        return lambda: AttachedEngine(CLIENT_ADDRESS, storage=storage, num_slots=2)
    if request.param == "supervised":
        from grokgrid.engine.supervised import SupervisedRay

        return lambda: SupervisedRay(num_slots=2)
    new: Callable[[], Engine] = InlineEngine if request.param == "inline" else request.getfixturevalue("new_ray_engine")
    return new


@pytest.fixture(scope="session")
def engine(new_engine: Callable[[], Engine]) -> Iterator[Engine]:
    """One engine for many tests."""
    with new_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], list[dict[str, str]]]:
    """The curves of the long work of a kind when nobody disturbs it."""

    @cache
    def run(kind: Kind) -> list[dict[str, str]]:
        storage = tmp_path_factory.mktemp("undisturbed")
        long = kind.long(storage)
        with InlineEngine() as engine:
            engine.submit(block("undisturbed", storage, long))
            collect(engine, ended(long))
        return curves(storage, long)

    return run


@pytest.fixture(scope="session")
def long_curves(undisturbed: Callable[[Kind], list[dict[str, str]]]) -> list[dict[str, str]]:
    """Those of the long trial."""
    return undisturbed(KINDS["trial"])
