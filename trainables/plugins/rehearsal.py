"""Whether plugins work and give the same for the same key, found out before anything starts.

Two new processes rehearse all trials (`rehearsing.py`), with other hashes of texts, other addresses and other states of
unseeded generators; what plugins return, and the data of functions, must not differ between them. Nothing that a plugin
does in a rehearsal stays in this process.
"""

import json
import os
import pickle
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, final

from trainables.data.place import DataError
from trainables.plugins.loading import load_plugin, place, source_of
from trainables.procedure_config import ProcedureConfig
from trainables.trial import Trial
from trainables.validation import Problem, ValidationErrors

LIMIT_S, FUNCTIONS_LIMIT_S = 60.0, 30.0
"""Of networks with plugins; of training functions, whose first evaluation may be far."""
_START_S = 120.0
"""To start Python and import torch, which counts for nothing else."""

_END_S = 5.0

_WHAT = "plugins"


@dataclass(frozen=True)
class Rehearsed:
    """digests: of what the functions of data made, by `PluginDataset.function`."""

    warnings: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def check_plugins(trials: Mapping[str, Trial]) -> None:
    """Imports the plugins of some trials, given by names for people, and sees whether they can be called.

    Raises:
        ValidationErrors: all that is wrong with any of them.
    """
    checked = set()
    problems: list[Problem] = []
    for name, trial in trials.items():
        for where, plugin in trial.config.plugins:
            if (known := (where, plugin.model_dump_json())) in checked:
                continue
            checked.add(known)
            try:
                load_plugin(plugin)
            except ValidationErrors as found:
                problems += [each.below(name, *where.split(".")) for each in found.problems]
    if problems:
        raise ValidationErrors(_WHAT, problems)


def rehearse_plugins(trials: Mapping[str, Trial], *, limit_s: float | None = None) -> Rehearsed:
    """Trains each combination of plugins for some steps on a few examples, twice, and compares. That needs
    the data, and tells what a signature does not: shapes, types, state that no snapshot holds, draws without a seed.

    limit_s  what is not rehearsed by then is left out, with a warning

    Raises:
        ValidationErrors: all that is wrong with any of them.
        DataError: the data is missing, or is not what it should be.
    """
    combinations: dict[str, tuple[str, Trial]] = {}
    for name, trial in trials.items():
        if trial.config.plugins:
            # Goal, budget and what is kept make no difference to a few steps.
            combination = trial.config.model_dump_json(exclude={"goal", "budget", "keep"})
            combinations.setdefault(combination, (name, trial))
    chosen = dict(combinations.values())
    if not chosen:
        return Rehearsed()
    if limit_s is None:
        are_functions = all(isinstance(trial.config, ProcedureConfig) for trial in chosen.values())
        limit_s = FUNCTIONS_LIMIT_S if are_functions else LIMIT_S
    with tempfile.TemporaryFile() as first, tempfile.TemporaryFile() as second:
        runs = [_Run(chosen, first, in_full=True), _Run(chosen, second, in_full=False)]
        try:
            _wait(runs, limit_s)
        finally:
            for run in runs:
                run.end()
        return _judged(chosen, runs, limit_s)


@final
class _Run:
    """One process, and the lines that it has reported."""

    def __init__(self, trials: Mapping[str, Trial], output: IO[bytes], *, in_full: bool) -> None:
        self.lines: list[dict[str, Any]] = []
        self._output = output
        self._rest = b""
        self.is_open = True
        self.reads, writes = os.pipe()
        sources = {plugin.source: source_of(plugin) for trial in trials.values() for _, plugin in trial.config.plugins}
        task = {"to": writes, "trials": dict(trials), "sources": list(sources.values()), "in_full": in_full}
        # Another hash of texts than here and than in the other process, whatever the environment says.
        code = f"import sys; sys.path[:] = {sys.path!r}; from trainables.plugins.rehearsing import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[writes],
            start_new_session=True,
            env=os.environ | {"PYTHONHASHSEED": "1" if in_full else "2"},
        )
        os.close(writes)
        payload = pickle.dumps(task)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(struct.pack("!q", len(payload)) + payload)
            self._process.stdin.flush()

    def read(self) -> None:
        """What it has reported meanwhile."""
        given = os.read(self.reads, 1 << 20)
        self.is_open = bool(given)
        *complete, self._rest = (self._rest + given).split(b"\n")
        self.lines += [json.loads(line) for line in complete]

    def has(self, kind: str) -> bool:
        return any(line["kind"] == kind for line in self.lines)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == kind]

    def end(self) -> None:
        """The process ends, and what it has started."""
        if not self.is_open and not self.has("done"):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        os.close(self.reads)

    @property
    def died(self) -> str | None:
        """How it ended, if before it was done and not by us; with the last line that it printed."""
        if self.is_open or self.has("done"):
            return None
        self._output.seek(0)
        printed = self._output.read().decode(errors="replace").strip().splitlines()
        code = self._process.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return f"ended {how}{f': {printed[-1][:300]}' if printed else ''}"


def _wait(runs: list[_Run], limit_s: float) -> None:
    """Until both are done, or the time is up."""
    until = time.monotonic() + _START_S
    has_begun = False
    with selectors.DefaultSelector() as selector:
        for run in runs:
            selector.register(run.reads, selectors.EVENT_READ, run)
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                run = key.data
                run.read()
                # What a plugin has started may hold the pipe open.
                if not run.is_open or run.has("done"):
                    selector.unregister(run.reads)
            if not has_begun and all(run.has("ready") or not run.is_open for run in runs):
                has_begun, until = True, time.monotonic() + limit_s


def _judged(trials: Mapping[str, Trial], runs: list[_Run], limit_s: float) -> Rehearsed:
    if errors := [line["message"] for run in runs for line in run.of("data error")]:
        raise DataError("\n".join(dict.fromkeys(errors)))
    problems = _reported("problem", trials, runs)
    if not problems:
        problems += [_death(trials, run, how) for run in runs if (how := run.died)]
    digests, different = _digests(trials, runs)
    problems += different
    problems += _differences(_without(trials, problems), runs)
    problems += _reported("continued", _without(trials, problems), runs)
    if problems:
        raise ValidationErrors(_WHAT, problems)
    warnings = [line["message"] for line in runs[0].of("warning")]
    if not all(run.has("done") for run in runs):
        done = [{line["trial"] for line in run.of("calls")} for run in runs]
        full = {line["trial"] for line in runs[0].of("full")}
        small = [name for name in trials if not all(name in each for each in done)]
        left = f"{_some(small)} not at all" if small else f"{_some([n for n in trials if n not in full])} in small only"
        warnings.append(f"the rehearsal of {_WHAT} was cut short after {limit_s:g} s: {left}")
    return Rehearsed(tuple(dict.fromkeys(warnings)), digests)


def _death(trials: Mapping[str, Trial], run: _Run, how: str) -> Problem:
    """Of a process, with the trial that it was at and the plugins that may have ended it."""
    begun = run.of("begun")
    if not begun:
        return Problem((), f"the process that rehearses {how}")
    name = begun[-1]["trial"]
    plugins = trials[name].config.plugins
    path = (name, plugins[0][0]) if len(plugins) == 1 else (name,)
    return Problem(path, f"{' or '.join(place(plugin) for _, plugin in plugins)}: the process that rehearses {how}")


def _reported(kind: str, trials: Mapping[str, Trial], runs: list[_Run]) -> list[Problem]:
    """Each sentence once: cells of a grid share their plugins."""
    lines = [line for run in runs for line in run.of(kind) if line["trial"] in trials]
    first = {line["message"]: line for line in reversed(lines)}
    return [Problem((line["trial"], *line["path"]), line["message"]) for line in reversed(first.values())]


def _without(trials: Mapping[str, Trial], problems: list[Problem]) -> dict[str, Trial]:
    wrong = {problem.path[0] for problem in problems if problem.path}
    return {name: trial for name, trial in trials.items() if name not in wrong}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _digests(trials: Mapping[str, Trial], runs: list[_Run]) -> tuple[dict[str, str], list[Problem]]:
    """Of the data of functions; and where a function made two that differ."""
    digests: dict[str, str] = {}
    arrays: dict[str, dict[str, str]] = {}
    different: dict[str, list[str]] = {}
    for line in (line for run in runs for line in run.of("data")):
        function = line["function"]
        first = arrays.setdefault(function, line["digests"])
        digests.setdefault(function, line["digest"])
        if other := [name for name, digest in line["digests"].items() if digest != first[name]]:
            different[function] = other
    problems = []
    for name, trial in trials.items():
        made = [data for data in trial.config.data_sets if data.plugin is not None]
        for data in made:
            names = different.pop(data.function or "", None)
            if names is None or data.plugin is None:
                continue
            listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
            message = (
                f"{place(data.plugin)} makes other data at every call, {listed} here: every worker would train on its"
                " own. Draw from a generator with a fixed seed, numpy.random.default_rng(0) say; read nothing that"
                " changes"
            )
            problems.append(Problem((name, "data"), message))
    return digests, problems


def _differences(trials: Mapping[str, Trial], runs: list[_Run]) -> list[Problem]:
    """Between the calls of the two runs; each plugin is named once."""
    from trainables.plugins.recording import Call, first_difference
    from trainables.plugins.rehearsing import blamed_plugin

    problems: dict[tuple[str, str], Problem] = {}
    first, second = ({line["trial"]: [Call(*call) for call in line["calls"]] for line in r.of("calls")} for r in runs)
    for name in (name for name in trials if name in first and name in second):
        if (blamed := first_difference(first[name], second[name])) is not None:
            path, plugin = blamed_plugin(trials[name].config, blamed.plugin)
            at = f" at step {blamed.step}" if blamed.step else ""
            message = (
                f"{plugin} gives something else{at} in two runs of one seed: it depends on a generator without a seed,"
                " the time, the order of a set, an address or the process. Draw from the `generator` that it is given"
                " or from the global generators, which are seeded; sort sets"
            )
            problems.setdefault((plugin, at), Problem((name, *path), message))
    return list(problems.values())
