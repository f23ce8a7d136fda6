"""Live progress of a study or a search: on a terminal a few lines that stay in place, elsewhere a line now and then."""

import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from grokgrid.engine.interface import (
    Evaluated,
    Event,
    Failed,
    Finished,
    Lost,
    OutOfMemory,
    Restarted,
    Started,
    Waits,
    Warned,
)
from trainables.assessment_config import AssessmentConfig
from trainables.records import End
from trainables.trial import TrialConfig
from trainables.work import Work

_LINE_EVERY_S = 15.0
_RATE_OVER_S = 20.0
_WAIT_OVER_S = 10.0
_WORDS = {End.GOAL: "reached", End.BUDGET: "censored", End.DIVERGED: "diverged", None: "failed"}
_WORDS_WITHOUT_GOAL = _WORDS | {End.BUDGET: "finished"}


@dataclass
class _Wait:
    """Of a trial for its environment. since: on the clock; heard: when it last said so."""

    reason: str
    error: str
    since: str
    heard: float = 0.0


class Progress:
    """Counts what it is told, and shows it while it is entered as a context."""

    def __init__(
        self, title: str, num_slots: int, console: Console, *, status: Callable[[], str] | None = None
    ) -> None:
        """status: tells more of a search, of which it is not known how many trials are to come."""
        self._title, self._num_slots, self._console, self._status = title, num_slots, console, status
        self._names: dict[str, str] = {}
        self._work: dict[str, Work] = {}
        self._settled: dict[str, str] = {}
        self._running: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._share: dict[str, float] = {}
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._num_steps = 0
        self._wall_s: dict[type, list[float]] = {}
        self._away: dict[str, str] = {}
        self._waits: dict[str, _Wait] = {}
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
        self._say(self._line())

    def expect(self, work: Mapping[str, tuple[str, Work]]) -> None:
        """key -> its name and the work"""
        for key, (name, item) in work.items():
            self._names.setdefault(key, name)
            self._work[key] = item

    def note(self, event: Event) -> None:
        """An engine's event."""
        if isinstance(event, Finished | Failed | OutOfMemory | Lost):
            self._waits.pop(event.key, None)
        match event:
            case Started(key):
                self._running.setdefault(key, 0)
                self._since.setdefault(key, time.monotonic())
            case Evaluated(key, evaluation):
                # A trial that is continued reports where it is: what it did before it was taken up is not our rate.
                before = self._running.get(key) or evaluation.steps
                if isinstance(self._work[key].config, TrialConfig):  # Those of assessments are examples.
                    self._num_steps += max(0, evaluation.steps - before)
                self._running[key] = evaluation.steps
                config = self._work[key].config
                position = config.budget.position(steps=evaluation.steps, epochs=evaluation.epochs)
                self._share[key] = position / config.last_evaluation
            case Warned(_, text):
                self.tell(text)
            case Failed(key, log):
                self._settle(key, "failed")
                self._say(f"{self._names[key]} failed: {_last_line(log)}")
            case Waits(key, reason, host):
                self._wait(key, reason if host == socket.gethostname() else f"{host}: {reason}")
            case OutOfMemory(key, log):
                self._running.pop(key, None)
                self._say(f"{self._names[key]} is out of memory: {_last_line(log)}")
            case Lost(key, reason):
                self._settle(key, "lost")
                self._say(f"{self._names[key]} was lost: {_last_line(reason)}")
            case Restarted(reason):
                self._say(f"Ray has broken down: {reason}. It starts again; trials go on from their snapshots.")
        self._tick()

    def found(self, key: str, end: End | None) -> None:
        """A trial that was there already, or that another driver has run; failed if it has no end."""
        self._settle(key, self._word(key, end))

    def ended(self, key: str, end: End | None, wall_s: float) -> None:
        """A trial that this run has finished."""
        self._settle(key, self._word(key, end))
        self._wall_s.setdefault(type(self._work[key].config), []).append(wall_s)
        self._tick()

    def away(self, what: str, reason: str) -> None:
        """`what` is needed for the next step, and cannot be reached."""
        if what not in self._away:
            self._say(f"{reason.rstrip('.')}. Training goes on meanwhile.")
            self._away[what] = f"{what} is away since {_clock()}"

    def back(self, what: str) -> None:
        self._say(f"{what} is back")
        self._away.pop(what, None)

    def tell(self, sentence: str) -> None:
        self._say(sentence)

    def stopping(self) -> None:
        self._say("stopping: running trials save a snapshot; once more stops at once")

    def _wait(self, key: str, reason: str) -> None:
        error = reason.rpartition(": ")[2]
        if all(error != wait.error for wait in self._waits.values()):
            self._say(f"{reason}. {self._names[key]} is not saved or not started, and tries again.")
        wait = self._waits.setdefault(key, _Wait(reason, error, _clock()))
        wait.heard = time.monotonic()

    def _end_waits(self) -> None:
        """A trial that cannot be saved trains on: only the end of its complaints says that it was."""
        waits, now = self._waits, time.monotonic()
        self._waits = {key: wait for key, wait in waits.items() if now - wait.heard < _WAIT_OVER_S}
        if waits and not self._waits:
            self._say(f"{next(iter(waits.values())).reason}: no longer, all trials go on")

    def _word(self, key: str, end: End | None) -> str:
        words = _WORDS if self._work[key].config.goal is not None else _WORDS_WITHOUT_GOAL
        return words[end]

    def _settle(self, key: str, word: str) -> None:
        self._running.pop(key, None)
        self._settled[key] = word

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def _tick(self) -> None:
        self._end_waits()
        now = time.monotonic()
        self._recent.append((now, self._num_steps))
        while now - self._recent[0][0] > _RATE_OVER_S:
            self._recent.popleft()
        if not self._console.is_terminal and now >= self._next_line:
            self._next_line = now + _LINE_EVERY_S
            self._say(self._line())

    def _line(self) -> str:
        parts = [f"{self._title}: {self._counted()}", f"{len(self._running)} running"]
        parts += [f"{number} {word}" for word, number in sorted(Counter(self._settled.values()).items())]
        span_s = self._recent[-1][0] - self._recent[0][0]
        if span_s > 0 and any(isinstance(self._work[key].config, TrialConfig) for key in self._running):
            parts.append(f"{(self._recent[-1][1] - self._recent[0][1]) / span_s:,.0f} steps/s")
        shares = [self._share[key] for key in self._running if key in self._share]
        if shares:
            most = f" to {max(shares):.0%}" if len(shares) > 1 else ""
            parts.append(f"at {min(shares):.0%}{most} of the budget")
        if self._status is not None:
            parts.append(self._status())
        elif self._wall_s and (left_s := round(self._left_s())):
            # Nothing where the last ones already take longer than those before them.
            parts.append(f"about {timedelta(seconds=left_s)} left")
        parts += self._away.values()
        if self._waits:
            wait = next(iter(self._waits.values()))
            parts.append(f"{len(self._waits)} waiting since {wait.since}: {wait.reason}")
        return ", ".join(parts)

    def _counted(self) -> str:
        """How many of the trials, and of the assessments that are known of, are settled."""
        told = []
        for what, kind in (("trials", TrialConfig), ("assessments", AssessmentConfig)):
            keys = {key for key, item in self._work.items() if isinstance(item.config, kind)}
            num = len(keys & self._settled.keys())
            if keys or kind is TrialConfig:
                told.append(f"{num}/{len(keys)} {what}" if self._status is None else f"{num} {what}")
        return ", ".join(told)

    def _left_s(self) -> float:
        """For each kind of work its mean time so far, for every item that is left, less the time that running items
        have had. A kind of which no item has ended yet is left out.
        """
        left_s, now = 0.0, time.monotonic()
        for kind, took_s in self._wall_s.items():
            mean_s = sum(took_s) / len(took_s)
            left = [key for key, item in self._work.items() if type(item.config) is kind and key not in self._settled]
            had = (min(mean_s, now - self._since[key]) for key in left if key in self._running and key in self._since)
            left_s += len(left) * mean_s - sum(had)
        return max(0.0, left_s) / self._num_slots

    def _render(self) -> Group:
        bar = Table.grid(expand=True)
        bar.add_row(ProgressBar(total=len(self._work) or 1, completed=len(self._settled)))
        return Group(*([bar] if self._status is None else []), Text(self._line()))


def _clock() -> str:
    return time.strftime("%H:%M")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2].strip()
