"""Doing one block: the same code under every engine."""

import traceback
from collections.abc import Generator
from contextlib import closing

from grokgrid.engine.interface import Block, Event, Failed, Finished, Looked, Started
from trainables.records import TrialFolder
from trainables.snapshot_requests import snapshot_requests


def work(block: Block) -> Generator[Event, None, None]:
    """Runs the trials of `block` in order, and yields what happens as it happens.

    A trial that raises is Failed and the next one starts. Closing the generator stops the running trial, which saves a
    snapshot; so it does upon SIGUSR1, and goes on.
    """
    # Not above: they import torch, which an engine's driver has no use for.
    from trainables.own.loading import provide
    from trainables.run import run_trial

    for source in block.sources:
        provide(source)
    snapshot_asked = snapshot_requests()
    for trial in block.trials:
        yield Started(trial.key)
        folder = TrialFolder(block.storage, trial.key)
        folder.clear_failure()
        looks = run_trial(
            trial,
            folder,
            device=block.device,
            num_threads=block.num_threads,
            share=block.share,
            checkpoint_every_s=block.checkpoint_every_s,
            snapshot_asked=snapshot_asked,
        )
        with closing(looks):
            try:
                for look in looks:
                    yield Looked(trial.key, look)
            except Exception:
                log = traceback.format_exc()
                folder.write_failure(log)
                yield Failed(trial.key, log)
            else:
                yield Finished(trial.key)
