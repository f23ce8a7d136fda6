"""The nodes of a cluster, each asked the same."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar, final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from grokgrid.engine.interface import EngineError
from grokgrid.engine.ray import connect

T = TypeVar("T")

PATIENCE_S = 120.0
"""A node that was idle starts a process first, which imports torch."""


@dataclass(frozen=True)
class Node:
    """name: its host's, with more where several nodes are on one."""

    id: str
    name: str
    num_gpus: float


class _Asked:
    """The actor: a process on the node."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def time(self) -> float:
        return time.time()


@final
class Nodes:
    """The nodes of the cluster at `address`, while it is entered.

    Raises:
        EngineError: no cluster is to be had there.
    """

    def __init__(self, address: str) -> None:
        connect(address)
        alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        hosts = Counter(node["NodeManagerHostname"] for node in alive)
        self.nodes = tuple(
            Node(
                id=node["NodeID"],
                name=host if hosts[host] == 1 else f"{host}/{node['NodeID'][:6]}",
                num_gpus=node["Resources"].get("GPU", 0.0),
            )
            for node in alive
            for host in [node["NodeManagerHostname"]]
        )
        self._actors = {node: self._actor(node) for node in self.nodes}

    def ask(self, function: Callable[..., T], *args: Any) -> dict[Node, T | EngineError]:
        """What `function` gives on each node; or why it gives nothing."""
        asked = {node: actor.call.remote(function, *args) for node, actor in self._actors.items()}
        deadline = time.monotonic() + PATIENCE_S
        return {node: _answer(answer, deadline) for node, answer in asked.items()}

    def ask_one(self, node: Node, function: Callable[..., T], *args: Any) -> T | EngineError:
        """The same of one node alone."""
        answer: T | EngineError = _answer(
            self._actors[node].call.remote(function, *args), time.monotonic() + PATIENCE_S
        )
        return answer

    def clock_offsets_s(self) -> dict[Node, float | EngineError]:
        """By how much each node's clock is ahead of ours, to within half of the time that asking takes."""
        offsets: dict[Node, float | EngineError] = {}
        for node, actor in self._actors.items():
            before = time.time()
            there = _answer(actor.time.remote(), time.monotonic() + PATIENCE_S)
            offsets[node] = there if isinstance(there, EngineError) else there - (before + time.time()) / 2
        return offsets

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ray.shutdown()

    def _actor(self, node: Node) -> Any:
        where = NodeAffinitySchedulingStrategy(node.id, soft=False)
        return ray.remote(_Asked).options(num_cpus=0, scheduling_strategy=where).remote()


def _answer(answer: Any, deadline: float) -> Any:
    try:
        return ray.get(answer, timeout=max(1.0, deadline - time.monotonic()))
    except ray.exceptions.GetTimeoutError:
        return EngineError(f"does not answer within {PATIENCE_S:.0f} seconds")
    except ray.exceptions.RayError as error:
        return EngineError(str(error).strip().splitlines()[-1])
