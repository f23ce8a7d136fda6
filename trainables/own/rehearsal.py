"""Whether parts of one's own work, found out before anything starts: a trial in the small, in this process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from trainables.data.config import OwnDataConfig
from trainables.mistakes import Mistake, Mistakes
from trainables.own.loading import load_part, source_of, told
from trainables.trial import Trial, TrialConfig

_NUM_IMAGES = 8


def check_parts(trials: Mapping[str, Trial], *, rehearse: bool) -> None:
    """Imports the parts of one's own of some trials, given by names for people, and sees whether they can be called.

    rehearse: train each combination of them for one update on a few images, and take its measurements. That needs the
    data, and tells what a signature does not: shapes, types, values that are no numbers.

    Raises:
        Mistakes: all that is wrong with any of them.
        DataError: the data is missing, or is not what it should be.
    """
    checked = set()
    mistakes: list[Mistake] = []
    for name, trial in trials.items():
        for field, part in trial.config.own_parts:
            if (known := (field, part.model_dump_json())) in checked:
                continue
            checked.add(known)
            try:
                load_part(part)
            except Mistakes as found:
                mistakes += [Mistake((name, field, *each.path), each.message) for each in found.mistakes]
    if mistakes:
        raise Mistakes("parts of one's own", mistakes)
    if rehearse:
        sized, done = set(), set()
        for name, trial in trials.items():
            # Goal and budget make no difference to one update.
            combination = trial.config.model_dump_json(exclude={"goal", "budget"})
            if trial.config.own_parts and combination not in done:
                done.add(combination)
                with _in_sentences(name, trial.config):
                    data = trial.config.data
                    if isinstance(data, OwnDataConfig) and data not in sized:
                        sized.add(data)
                        _check_size(data)
                    _rehearse(trial)


@contextmanager
def _in_sentences(name: str, config: TrialConfig) -> Iterator[None]:
    """What a part of one's own raises, as a mistake of the trial of that name."""
    from trainables.data.place import DataError

    try:
        yield
    except Mistakes as found:
        raise Mistakes(name, found.mistakes) from None
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        roots = [source_of(part).root for _, part in config.own_parts]
        raise Mistakes(name, [Mistake((), f"one update on a few images fails: {told(error, *roots)}")]) from error


def _rehearse(trial: Trial) -> None:
    import torch

    from trainables.training import Training

    training = Training(trial.model_copy(update={"config": _in_the_small(trial.config)}), torch.device("cpu"))
    training.advance(1)
    training.measure(trial.config.all_probes)


def _check_size(data: OwnDataConfig) -> None:
    """A rehearsal asks for few images: here for all."""
    from trainables.data.read import read_checked

    read_checked(data)


def _in_the_small(config: TrialConfig) -> TrialConfig:
    few = {"num_train": _NUM_IMAGES, "num_test": _NUM_IMAGES}
    few = {field: min(getattr(config.data, field) or number, number) for field, number in few.items()}
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=few),
            "batch_size": min(config.batch_size or _NUM_IMAGES, few["num_train"]),
        }
    )
