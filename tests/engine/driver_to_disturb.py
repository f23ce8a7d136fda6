"""Run by test_ray_driver.py, which interrupts this process and then kills it."""

import sys
from pathlib import Path

from small_blocks import block, collect, long_trial, looking

from grokgrid.engine.ray import RayEngine


def main(storage: Path) -> None:
    print("starting", flush=True)
    with RayEngine(num_slots=2):
        for _ in range(2):
            try:
                with RayEngine(num_slots=1) as engine:
                    engine.submit(block("long", storage, long_trial(num_evaluations=1_000_000)))
                    collect(engine, looking(long_trial(num_evaluations=1_000_000)))
                    print("looking", flush=True)
                    collect(engine, lambda _: False)
            except KeyboardInterrupt:
                print("interrupted", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
