"""Plugins that fork: their children end when the plugin ends them, under every engine."""

from pathlib import Path

import pytest
from small_blocks import block, collect, ended, of, trial

from grokgrid.engine import Block, Engine, Finished
from trainables.interrupts import deferred_interrupts
from trainables.plugins.loading import source_of
from trainables.trial import Trial, TrialConfig

PLUGIN = """
import multiprocessing, os, signal, time
import numpy as np


def in_pools():
    for _ in range(2):
        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map(abs, range(-4, 0))
        pool.join()
    daemon = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
    daemon.start()
    daemon.terminate()
    daemon.join()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT):
        pid = os.fork()
        if not pid:
            time.sleep(600)
        os.kill(pid, number)
        os.waitpid(pid, 0)
    return sum(found)


def data():
    y = np.arange(20) % in_pools()
    x = np.eye(10, dtype=np.float32)[y]
    return {"x_train": x, "y_train": y, "x_test": x, "y_test": y}


def probe(evaluation):
    return in_pools()
"""


@pytest.mark.slow
def test_children_end_when_their_plugin_ends_them(engine: Engine, tmp_path: Path):
    (tmp_path / "plugins.py").write_text(PLUGIN)
    config = trial(0, num_evaluations=2).config.model_dump(mode="json") | {
        "data": {"name": f"{tmp_path / 'plugins.py'}:data"},
        "probes": [{"name": f"{tmp_path / 'plugins.py'}:probe", "on": "test", "every": 1}],
    }
    forking = Trial(config=TrialConfig.model_validate(config), seed=0)
    sources = {plugin.source: source_of(plugin) for _, plugin in forking.config.plugins}
    given = block("forking", tmp_path, forking)
    with deferred_interrupts():  # As a driver has it.
        engine.submit(Block(**{**vars(given), "sources": tuple(sources.values())}))
        events = collect(engine, ended(forking), timeout_s=120)
    assert isinstance(of(forking, events)[-1], Finished), of(forking, events)[-1]
