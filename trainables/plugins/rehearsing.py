"""One rehearsal in a process of its own: it reads trials from its input and reports line by line.

    python -c "from trainables.plugins.rehearsing import main; main()"

A trial is trained in the small, four steps on eight examples in batches of three, three and two; then once more, in
modules imported anew, from the state after two steps. Steps with later numbers follow, for terms that change with
`step.number`, and at last two steps of the size that the trial has: its first batch and the last one of an epoch.
"""

import json
import math
import os
import pickle
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from trainables.data.place import DataError
from trainables.gradient_config import GradientConfig
from trainables.plugins.config import Plugin
from trainables.plugins.loading import place, provide, source_of, told
from trainables.plugins.recording import TRAINING, Call, Recorder, digest_of, first_difference, kept
from trainables.plugins.scope import Scope
from trainables.procedure_training import ProcedureTraining
from trainables.training import Training
from trainables.trial import Trial, TrialConfig
from trainables.validation import Problem, ValidationErrors, nearest

_NUM_EXAMPLES, _BATCH, _STEPS, _CONTINUED = 8, 3, 4, 2

Report = Callable[[dict[str, Any]], None]


def main() -> None:
    """Reads (number of trials' bytes, trials) and writes lines of JSON to the file descriptor that it names."""
    (length,) = struct.unpack("!q", sys.stdin.buffer.read(8))
    task = pickle.loads(sys.stdin.buffer.read(length))
    # The driver holds the other end as long as it lives.
    threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
    torch.set_num_threads(1)
    for source in task["sources"]:
        provide(source)
    with os.fdopen(task["to"], "w") as lines:
        wrong = set[str]()

        def report(line: dict[str, Any]) -> None:
            if line["kind"] == "problem":
                wrong.add(line["trial"])
            lines.write(json.dumps(line) + "\n")
            lines.flush()

        report({"kind": "ready"})
        for name, trial in task["trials"].items():
            report({"kind": "begun", "trial": name})
            is_gradient = isinstance(trial.config, GradientConfig)
            what = "one step on a few examples fails" if is_gradient else "it fails before its first evaluation"
            with _reporting(name, trial.config, what, report):
                rehearse(name, trial, report)
        for name, trial in task["trials"].items() if task["in_full"] else ():
            if name in wrong:
                continue
            report({"kind": "begun", "trial": name})
            with _reporting(name, trial.config, "one step of its own size fails", report):
                _rehearse_in_full(trial)
                report({"kind": "full", "trial": name})
        report({"kind": "done"})


@contextmanager
def _reporting(name: str, config: TrialConfig, what: str, report: Report) -> Iterator[None]:
    """What a plugin raises, as problems of the trial of that name."""

    def wrong(path: list[Any], message: str) -> None:
        report({"kind": "problem", "trial": name, "path": path, "message": message})

    try:
        yield
    except ValidationErrors as found:
        fields = {plugin.kind(): field for field, plugin in config.plugins}
        inside = fields[found.source].split(".") if found.source in fields else []
        for problem in found.problems:
            wrong([*inside, *problem.path], problem.message)
    except DataError as error:
        report({"kind": "data error", "message": str(error)})
    except (Exception, SystemExit) as error:
        wrong([], f"{what}: {told(error, *(source_of(plugin).root for _, plugin in config.plugins))}")


def rehearse(name: str, trial: Trial, report: Report) -> None:
    """Reports what is wrong or suspicious, and the calls, which another process must have made alike."""
    if isinstance(trial.config, GradientConfig):
        _rehearse_steps(name, trial, trial.config, report)
        return
    training = ProcedureTraining(trial, torch.device("cpu"))
    values = training.evaluate(0)
    training.close()
    if (wrong := _procedure_problem(trial.config, values, training.next_evaluation)) is not None:
        report({"kind": "problem", "trial": name, "path": wrong.path, "message": wrong.message})
    report({"kind": "calls", "trial": name, "calls": [Call("0", training.steps, "", digest_of(values))]})


def _procedure_problem(
    config: TrialConfig, values: Mapping[str, float] | None, following: float | None
) -> Problem | None:
    """What is wrong with a procedure's first evaluation; without values it is not within the budget."""
    if values is None and following == math.inf:
        return Problem(("procedure", "name"), "ended without an evaluation")
    if values is None:
        return Problem(("budget", "steps"), f"ends before the first evaluation, which is at step {following:,.0f}")
    if config.goal is not None and config.goal.metric not in values:
        wrong = f"{config.goal.metric!r} is not in the first evaluation; {nearest(config.goal.metric, values)}"
        return Problem(("goal", "metric"), wrong)
    return None


def _rehearse_steps(name: str, trial: Trial, config: GradientConfig, report: Report) -> None:
    few = _in_the_small(config)
    small = trial.model_copy(update={"config": few})
    plugins = [plugin for _, plugin in few.plugins]
    recorder, scope, training = _begun(small, plugins)
    if few.data.function is not None:
        data = {"function": few.data.function, "name": few.data.name}
        report({"kind": "data", **data, "digest": training.data.digest, "digests": dict(training.data.digests)})
    _advance(training, recorder, _CONTINUED)
    before = {key: tensor.clone() for key, tensor in training.state().items()}
    values = kept(scope.modules, scope.objects)
    start = len(recorder.calls)
    _advance(training, recorder, _STEPS)
    whole = recorder.calls[start:]
    changed = [key for key, value in kept(scope.modules, scope.objects).items() if values.get(key, value) != value]

    again, _, continued = _begun(small, plugins)
    start = len(again.calls)
    _restore(continued, before, _CONTINUED)
    _advance(continued, again, _STEPS)
    blamed = first_difference(whole, again.calls[start:])
    if blamed is not None:
        _report_continued(name, small.config, blamed, changed, report)
    elif changed:
        where = ", ".join(f"`{key}`" for key in changed[:5])
        message = (
            f"{where} changed between two steps and {'is' if len(changed) == 1 else 'are'} not part of a snapshot: a"
            " trial that is continued has the first value again. Keep what matters in the `state` of an"
            " optimiser, a gradient filter or a probe, in a buffer of the model, or compute it from step.number"
        )
        report({"kind": "warning", "message": message})
    for number in _later_numbers(config, training):
        _restore(training, before, number - 1)
        recorder.step = number
        training.advance(number)
    _report_useless(few, recorder, training, report, name)
    report({"kind": "calls", "trial": name, "calls": recorder.calls})


def _begun(trial: Trial, plugins: list[Plugin]) -> tuple[Recorder, Scope, Training]:
    recorder = Recorder(plugins)
    scope = Scope(note=recorder.note)
    return recorder, scope, Training(trial, torch.device("cpu"), scope=scope)


def _advance(training: Training, recorder: Recorder, steps: int) -> None:
    while training.steps < steps:
        recorder.step = training.steps + 1
        training.advance(recorder.step)
        recorder.state(training.state())
        recorder.trained |= {name for name, gradient in training.gradients().items() if bool(gradient.any())}
    training.measure(training.config.all_probes)


def _restore(training: Training, state: Mapping[str, torch.Tensor], steps: int) -> None:
    copies = {key: tensor.clone() for key, tensor in state.items()}
    training.restore(copies, steps=steps, seconds=0.0, diverged_at=None)


def _in_the_small(config: GradientConfig) -> GradientConfig:
    few = {"num_train": _NUM_EXAMPLES, "num_test": _NUM_EXAMPLES}
    few = {field: min(getattr(config.data, field) or number, number) for field, number in few.items()}
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=few),
            "batch_size": min(config.batch_size or _NUM_EXAMPLES, few["num_train"], _BATCH),
        }
    )


def _later_numbers(config: GradientConfig, training: Training) -> list[int]:
    """Of steps: powers of ten and the last one."""
    last = config.last_evaluation
    if config.budget.unit == "epochs":
        num_train = config.data.num_train or len(training.data.x_train)
        whole, rest = divmod(num_train, config.batch_size or num_train)
        last *= whole + (rest > 0 and not config.drop_last)
    return [number for number in (10, 100, 1_000, 10_000, 100_000, last) if _STEPS < number <= last]


def _rehearse_in_full(trial: Trial) -> None:
    if not isinstance(trial.config, GradientConfig):
        return
    training = Training(trial, torch.device("cpu"))
    training.advance(1)
    if training.steps_per_epoch > 1:
        _restore(training, training.state(), training.steps_per_epoch - 1)
        training.advance(training.steps_per_epoch)
    training.measure(trial.config.all_probes)


def blamed_plugin(config: TrialConfig, plugin: str) -> tuple[list[str], str]:
    """Its path in the configuration, and its name for people."""
    own = config.plugins
    if plugin == TRAINING:
        training = [place(each) for field, each in own if field.partition(".")[0] not in ("data", "probes")] or [
            place(own[0][1])
        ]
        return [], training[0] if len(training) == 1 else f"one of {', '.join(training)}"
    field, each = own[int(plugin)]
    return field.split("."), place(each)


def _report_continued(name: str, config: TrialConfig, blamed: Call, changed: list[str], report: Report) -> None:
    path, plugin = blamed_plugin(config, blamed.plugin)
    where = f", in {', '.join(f'`{key}`' for key in changed[:5])}" if changed else ""
    message = (
        f"{plugin} gives something else at step {blamed.step} in a trial that was continued after step"
        f" {_CONTINUED} than in one that was not: it keeps something that is not part of a snapshot{where}. Keep it in"
        " the `state` of an optimiser, a gradient filter or a probe, in a buffer of the model, or compute it from"
        " step.number"
    )
    # Not yet a problem: where two runs differ by themselves, that says more.
    report({"kind": "continued", "trial": name, "path": path, "message": message})


def _report_useless(config: GradientConfig, recorder: Recorder, training: Training, report: Report, name: str) -> None:
    unused = [name for name in training.gradients() if name not in recorder.trained]
    if config.model.plugin is not None and unused:
        listed = ", ".join(unused[:5]) + (f" and {len(unused) - 5} more" if len(unused) > 5 else "")
        message = (
            f"{place(config.model.plugin)} has parameters that got no gradient: {listed}. Are they meant to be used?"
        )
        report({"kind": "warning", "message": message})
    for plugin, seen in recorder.seen.items():
        path, who = blamed_plugin(config, plugin)
        if not seen.depends:
            message = (
                f"{who} depends on no parameter of the network in any step, so that training would be as without it:"
                " compute it from outputs, vjp, f or parameters of `step`, without detach(), item(), .data or"
                " torch.no_grad()"
            )
            report({"kind": "problem", "trial": name, "path": path, "message": message})
        elif not seen.acts:
            did = (
                "had a gradient of exactly zero" if path[:1] == ["regularisers"] else "returned its gradients unchanged"
            )
            report({"kind": "warning", "message": f"{who} {did} in all steps of a rehearsal: is that meant?"})
