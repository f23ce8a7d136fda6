"""Doing one block: the same code under every engine."""

import gc
import os
import socket
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from grokgrid.engine.interface import Block, Evaluated, Event, Failed, Finished, OutOfMemory, Started, Waits, Warned
from trainables.data.place import DataError
from trainables.faults import Fault, fault_of, reason
from trainables.records import Waiting, WorkFolder
from trainables.snapshot_requests import snapshot_requests
from trainables.trial import kinds
from trainables.validation import ValidationErrors

if TYPE_CHECKING:
    from trainables.work import Work

RETRIED_EVERY_S = 2.0


def work(block: Block) -> Generator[Event, None, None]:
    """Does the work of `block` in order, and yields what happens as it happens.

    Work that raises is Failed and the next one starts, unless it raised for want of memory, or the environment is to
    blame: then it waits and tries again. Closing the generator stops what is running, which saves a snapshot; so it
    does upon SIGUSR1, and goes on.
    """
    # Not above: it imports torch, which an engine's driver has no use for.
    from trainables.plugins.loading import provide

    for source in block.sources:
        provide(source)
    snapshot_asked = snapshot_requests()
    said: list[str] = []
    for item in block.work:
        yield Started(item.key)
        while True:
            try:
                yield from _attempt(block, item, snapshot_asked, said)
                break
            except Exception as error:
                yield from _warned(item.key, said)
                fault = fault_of(error, list(_users_files(item)))
                log, why = traceback.format_exc() + _in_one_line(item, error), reason(error, block.storage)
            if fault is Fault.ENVIRONMENT:
                yield Waits(item.key, why, socket.gethostname())
                time.sleep(RETRIED_EVERY_S)
                continue
            with suppress(OSError):  # For people who look into the folder. The event holds it, too.
                WorkFolder(block.storage, item.key).write_failure(log)
            if fault is Fault.MEMORY:
                _free_memory(block.device)
            yield OutOfMemory(item.key, log) if fault is Fault.MEMORY else Failed(item.key, log)
            break
    _free_memory(block.device)


def _attempt(block: Block, item: "Work", snapshot_asked: Callable[[], bool], said: list[str]) -> Iterator[Event]:
    from trainables.run import How, WorkRun

    folder = WorkFolder(block.storage, item.key)
    os.stat(block.storage)  # Where its mount is gone, all trials look as if they had never run.
    folder.clear_failure()
    how = How(
        device=block.device,
        num_threads=block.num_threads,
        share=block.share,
        checkpoint_every_s=block.checkpoint_every_s,
        snapshot_asked=snapshot_asked,
        say=said.append,
        data_digest=block.data_digests.get(item.key),
    )
    with closing(WorkRun(item, folder, how)) as evaluations:
        for evaluation in evaluations:
            yield from _warned(item.key, said)
            if isinstance(evaluation, Waiting):
                yield Waits(item.key, evaluation.reason, socket.gethostname())
            else:
                yield Evaluated(item.key, evaluation)
    yield from _warned(item.key, said)
    yield Finished(item.key)


def _warned(key: str, said: list[str]) -> Iterator[Event]:
    while said:
        yield Warned(key, said.pop(0))


def _in_one_line(item: "Work", error: Exception) -> str:
    """What a table has room for, the last line of the log: with file and line, where it came through a component."""
    from trainables.plugins.loading import source_of, told

    if isinstance(error, DataError | ValidationErrors):
        # Sentences already, which the log's last line begins with the name of a class.
        return "\n" + "; ".join(line.strip() for line in str(error).splitlines()) + "\n"
    roots = {Path(folder) for kind in kinds().values() for folder in kind.folders()}
    for _, plugin in item.config.plugins:
        with suppress(Exception):
            roots.add(source_of(plugin).root)
    placed = told(error, *roots).splitlines()[0]
    return "" if placed.startswith(type(error).__name__) else f"\n{placed}\n"


def _users_files(item: "Work") -> Iterator[str]:
    from trainables.plugins.loading import source_of

    for _, plugin in item.config.plugins:
        with suppress(Exception):  # A source that is not found has raised nothing.
            yield from map(str, source_of(plugin).paths)


def _free_memory(device: str) -> None:
    """So that idle workers keep none of a GPU's memory from others."""
    if device.startswith("cuda"):
        import torch

        gc.collect()
        torch.cuda.empty_cache()
