"""A function that calls `report`, as loops that call back do, seen as one that yields.

The function runs in a thread of its own, and one of the two threads at a time: `report` waits until the next evaluation
is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

_ENDED, _RAISED, _GAVE = "ended", "raised", "gave"
_END_S = 5.0


class TrainingStopped(BaseException):
    """Raised by `report` at a goal, at the end of a budget, or when a run is stopped. It is no Exception: a function
    that catches those does not catch it.
    """


def evaluations_of(function: Callable[..., Any], takes: Collection[str], offered: Mapping[str, Any]) -> Iterator[Any]:
    """What it yields or reports, called with what it takes of `offered`."""
    given = {name: value for name, value in offered.items() if name in takes}
    if "report" not in takes:
        yield from function(**given)
    else:
        yield from _reported(function, given)


def _reported(function: Callable[..., Any], given: dict[str, Any]) -> Iterator[Any]:
    news: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    go_on: SimpleQueue[bool] = SimpleQueue()

    def report(step: Any, metrics: Any, state: Any = None) -> None:
        """An evaluation. Returns when training shall go on; raises TrainingStopped when it shall end."""
        news.put((_GAVE, (step, metrics, state)))
        if not go_on.get():
            raise TrainingStopped

    def run() -> None:
        if not go_on.get():
            return
        try:
            function(**given, report=report)
        except TrainingStopped:
            pass
        except BaseException as error:
            news.put((_RAISED, error))
        else:
            news.put((_ENDED, None))

    thread = threading.Thread(target=run, name="training function", daemon=True)
    thread.start()
    is_waiting = True
    try:
        while True:
            go_on.put(True)
            is_waiting = False
            what, value = news.get()
            if what == _ENDED:
                return
            if what == _RAISED:
                raise value
            is_waiting = True
            yield value
    finally:
        if is_waiting:
            go_on.put(False)
            thread.join(_END_S)
