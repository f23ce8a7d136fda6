"""Run by test_supervised.py, which kills this process."""

import sys
from pathlib import Path

from small_blocks import block, collect, long_trial, looking

from grokgrid.engine.supervised import SupervisedRay


def main(storage: Path) -> None:
    with SupervisedRay(num_slots=1) as engine:
        engine.submit(block("long", storage, long_trial(num_evaluations=1_000_000), checkpoint_every_s=3600))
        collect(engine, looking(long_trial(num_evaluations=1_000_000)))
        print("looking", flush=True)
        collect(engine, lambda _: False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
