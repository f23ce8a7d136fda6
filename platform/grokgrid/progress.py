"""Live progress of a running study: on a terminal a few lines that stay in place, elsewhere a line now and then."""

import time
from collections import Counter, deque
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from grokgrid.engine.interface import Event, Failed, Looked, Lost, Started
from search_spaces import Study
from trainables.records import End

_LINE_EVERY_S = 15.0
_RATE_OVER_S = 20.0


class Progress:
    """Counts what it is told, and shows it while it is entered as a context."""

    def __init__(self, study: Study, num_slots: int, console: Console) -> None:
        self._study, self._num_slots, self._console = study, num_slots, console
        self._num_trials = len(study.trials)
        self._counts: Counter[str] = Counter()
        self._updates: dict[str, int] = {}
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._num_updates = 0
        self._wall_s: list[float] = []
        self._trouble: str | None = None
        self._next_line = 0.0
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        else:
            self._console.print(self._line(), soft_wrap=True)

    def note(self, event: Event) -> None:
        """An engine's event."""
        match event:
            case Started(key):
                self._updates.setdefault(key, 0)
            case Looked(key, look):
                # A trial that is continued reports where it is: what it did before it was taken up is not our rate.
                before = self._updates.get(key) or look.updates
                self._num_updates += max(0, look.updates - before)
                self._updates[key] = look.updates
            case Failed(key, log):
                self._counts["failed"] += 1
                self._updates.pop(key, None)
                self._say(f"a trial failed: {log.strip().splitlines()[-1]}")
            case Lost(key, reason):
                self._counts["lost"] += 1
                self._updates.pop(key, None)
                self._say(f"a trial was lost: {reason}")
        self._tick()

    def found(self, key: str, end: End | None) -> None:
        """A trial that was there already, or that another driver has run; failed if it has no end."""
        self._counts[_WORDS[end] if end is not None else "failed"] += 1

    def ended(self, key: str, end: End | None, wall_s: float) -> None:
        """A trial that this run has finished."""
        self._counts[_WORDS[end] if end is not None else "stopped"] += 1
        self._updates.pop(key, None)
        self._wall_s.append(wall_s)
        self._tick()

    def away(self, reason: str) -> None:
        if self._trouble is None:
            self._say(f"MLflow is away, training goes on: {reason}")
        self._trouble = reason

    def back(self) -> None:
        self._say("MLflow is back")
        self._trouble = None

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def _tick(self) -> None:
        now = time.monotonic()
        self._recent.append((now, self._num_updates))
        while now - self._recent[0][0] > _RATE_OVER_S:
            self._recent.popleft()
        if not self._console.is_terminal and now >= self._next_line:
            self._next_line = now + _LINE_EVERY_S
            self._console.print(self._line(), soft_wrap=True)

    def _line(self) -> Text:
        done = sum(self._counts.values())
        parts = [f"{self._study.name}: {done}/{self._num_trials} trials", f"{len(self._updates)} running"]
        parts += [f"{number} {word}" for word, number in sorted(self._counts.items())]
        span = self._recent[-1][0] - self._recent[0][0]
        if span > 0:
            parts.append(f"{(self._recent[-1][1] - self._recent[0][1]) / span:,.0f} updates/s")
        if self._wall_s and done < self._num_trials:
            left_s = (self._num_trials - done) * sum(self._wall_s) / len(self._wall_s) / self._num_slots
            parts.append(f"about {timedelta(seconds=round(left_s))} left")
        if self._trouble is not None:
            parts.append("MLflow is away")
        return Text(", ".join(parts))

    def _render(self) -> Group:
        bar = Table.grid(expand=True)
        bar.add_row(ProgressBar(total=self._num_trials, completed=sum(self._counts.values())))
        return Group(bar, self._line())


_WORDS = {End.GOAL: "reached", End.BUDGET: "censored", End.DIVERGED: "diverged"}
