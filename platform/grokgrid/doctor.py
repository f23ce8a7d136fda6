"""Checks of a set-up: what will stop a study, found before it is started.

`examine` looks at this machine, and at every node of a cluster as this machine reaches it; each check is a finding of
one line, told as soon as it is known. What is well is told too: which MLflow, which storage.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from grokgrid import home
from grokgrid.checks import REFUSALS, check_home, check_optuna, check_storage, sentence
from grokgrid.engine.interface import EngineError
from grokgrid.machine import (
    PACKAGES,
    Machine,
    free_gb,
    mark_storage,
    marks,
    remove_marks,
)
from grokgrid.plurals import plural
from grokgrid.tracking import Tracking, redact
from search_spaces import Study
from trainables.datasets.base import Dataset
from trainables.datasets.mnist import Mnist

if TYPE_CHECKING:
    from grokgrid.engine.nodes import Node, Nodes

FREE_GB = 5.0
"""Less than this is told: checkpoints, artifacts and Ray itself share the disk."""

CLOCKS_S = 30.0
"""Leases need clocks that agree to within a minute, so two nodes may each be half of that away from ours."""


class Mark(StrEnum):
    GOOD = "✓"
    NOTE = "!"
    BAD = "✗"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, and what was found; where it is bad, also what mends it."""

    mark: Mark
    what: str
    says: str

    def __str__(self) -> str:
        return f"{self.mark} {self.what}: {self.says}"


def examine(study: Study | None = None, address: str | None = None) -> Iterator[Finding]:
    """Findings about this machine, and about the cluster at `address`, "auto", "HOST:PORT" or "ray://HOST:PORT".

    study: its data must be there; without one it is told whether MNIST is
    """
    data: tuple[Dataset, ...] = (Mnist(),)
    if study is not None:
        data = study.data_sets
    here = Machine.here(data)
    yield _versions(here)
    yield _gpus("GPUs", here)
    yield _mlflow(address)
    yield _optuna()
    yield _home()
    if address is None:
        yield _storage_here()
        yield _data({"this machine": here}, is_needed=study is not None)
        return
    try:
        from grokgrid.engine.nodes import Nodes

        nodes = Nodes(address)
    except EngineError as error:
        yield Finding(Mark.BAD, "Ray", str(error))
        return
    with nodes:
        yield from _cluster(nodes, here, data, is_needed=study is not None)


def _versions(here: Machine) -> Finding:
    absent = [name for name in PACKAGES if name not in here.packages]
    told = ", ".join(f"{name} {version}" for name, version in here.packages.items())
    if absent:
        return Finding(Mark.BAD, "versions", f"{', '.join(absent)} is not installed beside {told}")
    return Finding(Mark.GOOD, "versions", told)


def _gpus(what: str, machine: Machine, num_for_ray: float | None = None) -> Finding:
    there = machine.num_gpu_devices if num_for_ray is None else max(machine.num_gpu_devices, int(num_for_ray))
    if there > machine.num_gpus:
        built = f"is built for CUDA {machine.torch_cuda}" if machine.torch_cuda else "is built without CUDA"
        wrong = f"torch can use {machine.num_gpus} of {there}: it {built}. Match torch and the driver"
        return Finding(Mark.BAD, what, wrong)
    if num_for_ray is not None and num_for_ray < machine.num_gpus:
        wrong = f"Ray gives {num_for_ray:g} of {machine.num_gpus} to trials: `ray start --num-gpus` says how many"
        return Finding(Mark.NOTE, what, wrong)
    return Finding(Mark.GOOD, what, f"{machine.num_gpus or 'none; trials train on the CPU'}")


def _mlflow(address: str | None) -> Finding:
    try:
        tracking = Tracking()
        version = tracking.try_out()
    except REFUSALS as error:
        return Finding(Mark.BAD, "MLflow", sentence(error))
    said = f"written to and read again at {tracking.place}; {version}"
    if address is not None and tracking.place.startswith("sqlite:"):
        alone = f"{said}. It is a file on this machine alone: MLFLOW_TRACKING_URI names a server instead"
        return Finding(Mark.NOTE, "MLflow", alone)
    return Finding(Mark.GOOD, "MLflow", said)


def _optuna() -> Finding:
    try:
        check_optuna()
    except REFUSALS as error:
        return Finding(Mark.BAD, "Optuna", sentence(error))
    return Finding(Mark.GOOD, "Optuna", f"searches are kept in {redact(home.optuna_storage())}")


def _home() -> Finding:
    try:
        check_home(to_write=True)
    except REFUSALS as error:
        return Finding(Mark.BAD, "home", sentence(error))
    return _free("home", f"{home.home()}", free_gb(home.home()))


def _free(what: str, said: str, free: float) -> Finding:
    mark = Mark.GOOD if free >= FREE_GB else Mark.NOTE
    return Finding(mark, what, f"{said}, {free:.0f} GB free{'' if mark is Mark.GOOD else ': that is little'}")


def _storage_here() -> Finding:
    try:
        check_storage()
        folder = home.storage_root()
    except REFUSALS as error:
        return Finding(Mark.BAD, "storage", sentence(error))
    return _free("storage", f"{folder} can be written to", free_gb(folder))


def _data(machines: Mapping[str, Machine], *, is_needed: bool) -> Finding:
    missing = [f"{name}: {wrong}" for name, machine in machines.items() for wrong in machine.missing]
    what = "data" if is_needed else "MNIST"
    if not missing:
        return Finding(Mark.GOOD, what, f"there, on {len(machines)} nodes" if len(machines) > 1 else "there")
    mark = Mark.BAD if is_needed else Mark.NOTE
    return Finding(mark, what, "; ".join(missing) + ("" if is_needed else " Studies on other data do without"))


def _cluster(nodes: "Nodes", here: Machine, data: Iterable[Dataset], *, is_needed: bool) -> Iterator[Finding]:
    asked = nodes.ask(Machine.here, tuple(data))
    machines = {node: found for node, found in asked.items() if isinstance(found, Machine)}
    for node, found in asked.items():
        if isinstance(found, EngineError):
            yield Finding(Mark.BAD, f"node {node.name}", str(found))
    said = f"{plural(len(nodes.nodes), 'node')}: {', '.join(n.name for n in nodes.nodes)}"
    yield Finding(Mark.GOOD, "Ray", said)
    if not machines:
        return  # Of nodes that do not answer nothing else is known.
    yield _same_versions(machines, here)
    for node, machine in machines.items():
        yield _gpus(f"GPUs of {node.name}", machine, node.num_gpus)
    yield _storage_shared(nodes)
    yield _data({node.name: machine for node, machine in machines.items()}, is_needed=is_needed)
    yield _clocks(nodes)


def _same_versions(machines: "Mapping[Node, Machine]", here: Machine) -> Finding:
    """What trials compute is decided by grokgrid and torch; that Python's and Ray's are the same Ray itself wants."""
    differ, matters = [], False
    for node, machine in machines.items():
        for name in ("python", *PACKAGES):
            theirs, ours = machine.packages.get(name), here.packages.get(name)
            if theirs != ours:
                differ.append(f"{node.name} has {name} {theirs or 'not at all'}, this machine {ours or 'not at all'}")
                matters = matters or name in ("grokgrid", "ray") or theirs is None and name == "torch"
    if differ:
        told = f"{'; '.join(differ)}. `grokgrid submit` sends its own grokgrid along; the rest is to be installed"
        return Finding(Mark.BAD if matters else Mark.NOTE, "versions of nodes", told)
    return Finding(Mark.GOOD, "versions of nodes", "the same as here")


def _storage_shared(nodes: "Nodes") -> Finding:
    """Whether every node sees what this machine writes, and the other way round."""
    folder = home.storage_root()
    ours = folder.parent / f".doctor-{secrets.token_hex(4)}"
    written = mark_storage(ours, "here")
    if written.error:
        return Finding(Mark.BAD, "storage", f"{folder}: {written.error}. GROKGRID_STORAGE says where trials are kept")
    try:
        wrong = []
        asked = {node: nodes.ask_one(node, mark_storage, ours, node.id) for node in nodes.nodes}
        seen = marks(ours)
        for node, found in asked.items():
            if isinstance(found, EngineError):
                wrong.append(f"{node.name} {found}")
            elif found.error:
                wrong.append(f"{node.name} cannot write there: {found.error}")
            elif "here" not in found.seen or node.id not in seen:
                wrong.append(f"{node.name} has another folder of that name")
    finally:
        nodes.ask(remove_marks, ours)
        remove_marks(ours)
    if wrong:
        told = f"{folder}: {'; '.join(wrong)}. GROKGRID_STORAGE must name a folder that all nodes see"
        return Finding(Mark.BAD, "storage", told)
    return _free("storage", f"{folder} is one folder for all nodes", written.free_gb)


def _clocks(nodes: "Nodes") -> Finding:
    offsets = nodes.clock_offsets_s()
    known = {node.name: offset for node, offset in offsets.items() if not isinstance(offset, EngineError)}
    wrong = [f"{name} by {offset:+.0f} s" for name, offset in known.items() if abs(offset) > CLOCKS_S]
    if wrong:
        told = (
            f"differ from this machine's: {', '.join(wrong)}. Leases need them within a minute; set them from the net"
        )
        return Finding(Mark.BAD, "clocks", told)
    most = max((abs(offset) for offset in known.values()), default=0.0)
    return Finding(Mark.GOOD, "clocks", f"agree to within {max(most, 0.1):.1f} s")
