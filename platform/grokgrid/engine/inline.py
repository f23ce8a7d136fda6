"""The engine without workers: poll() itself does the work, in this process."""

import time
from collections import deque
from collections.abc import Generator
from types import TracebackType
from typing import Self

from grokgrid.engine.interface import Block, Event
from grokgrid.engine.work import work


class InlineEngine:
    """One trial at a time, inside poll(): breakpoints and profilers work, and nothing needs to start."""

    num_slots = 1

    def __init__(self) -> None:
        self._waiting: deque[Block] = deque()
        self._running: Generator[Event, None, None] | None = None

    def submit(self, block: Block) -> None:
        self._waiting.append(block)

    def poll(self, timeout_s: float) -> list[Event]:
        """Works for about `timeout_s`, longer if it takes longer to the first event, and less if work runs out."""
        deadline = time.monotonic() + timeout_s
        events: list[Event] = []
        while not events or time.monotonic() < deadline:
            if self._running is None:
                if not self._waiting:
                    break
                self._running = work(self._waiting.popleft())
            event = next(self._running, None)
            if event is None:
                self._running = None
            else:
                events.append(event)
        return events

    def close(self) -> None:
        self._waiting.clear()
        if self._running is not None:
            self._running.close()
            self._running = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
