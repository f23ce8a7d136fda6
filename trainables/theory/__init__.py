"""The statements of Walker et al. (2025), each computed in two ways that share no function.

    measured  torch: autograd, descent, search or finite differences on a network or a map
    stated    numpy: the formula of the paper, from the weights

One file an idea: the optimum of Theorem 2, robustness (Theorem 3), centroids, the kernel, and training's dynamics. All
numbers are float64. A statement's check is the function of its name, `theorem_2(seed)`, in the file given here.
"""

from __future__ import annotations

from importlib import import_module

from trainables.theory.result import Result, Verdict

CHECKS = {
    "theorem-2": "optimum",
    "theorem-3": "robustness",
    "theorem-4": "centroids",
    "theorem-6": "dynamics",
    "proposition-7": "dynamics",
    "corollary-8": "dynamics",
    "proposition-9": "centroids",
    "theorem-10": "centroids",
    "lemma-11": "centroids",
    "lemma-12": "kernel",
    "theorem-13": "centroids",
}
"""The file in this folder that checks a statement, in the paper's order. Torch is imported with the first check."""


def check(statement: str, seed: int) -> tuple[Result, ...]:
    """What the check of a statement finds, on maps, networks and points drawn from `seed` (0 or more).

    It computes on one thread, for its arrays are so small that several wait for each other.

    Raises:
        KeyError: the statement is not in CHECKS.
    """
    module = import_module(f"trainables.theory.{CHECKS[statement]}")
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        results: tuple[Result, ...] = getattr(module, statement.replace("-", "_"))(seed)
        return results
    finally:
        torch.set_num_threads(num_threads)


__all__ = ["CHECKS", "Result", "Verdict", "check"]
