"""How long `grokgrid --help` takes, against importing its argument parser and pydantic.

    python benchmarks/help_time.py [--rounds 9]

The two take turns, each in a fresh interpreter; printed is the median of the ratios of a round.
"""

import argparse
import statistics
import subprocess
import sys
import time

HELP = [sys.executable, "-c", "import sys; sys.argv = ['grokgrid', '--help']; from grokgrid.cli import main; main()"]
FLOOR = [sys.executable, "-c", "import typer, pydantic; pydantic.BaseModel"]


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    seconds(HELP), seconds(FLOOR)
    pairs = [(seconds(HELP), seconds(FLOOR)) for _ in range(rounds)]
    ratios = sorted(ours / floor for ours, floor in pairs)
    ours, floor = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"grokgrid --help {ours:.2f} s, importing typer and pydantic {floor:.2f} s (medians of {rounds})")
    print(f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
