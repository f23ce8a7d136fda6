"""What the caller has been told about a block, and what is still owed."""

from dataclasses import dataclass, field, replace

from grokgrid.engine.interface import Block, Evaluated, Event, Started, Waits, Warned
from trainables.work import Work


@dataclass
class Ledger:
    """One block under an engine whose workers can be lost.

    A worker that goes on for a lost one repeats part of what that one has reported, and every event is to be told once.
    """

    block: Block
    num_lost_workers: int = 0
    unfinished: dict[str, Work] = field(init=False)
    _seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.unfinished = {item.key: item for item in self.block.work}

    def rest(self) -> Block:
        """The block without the trials that have ended."""
        return replace(self.block, work=tuple(self.unfinished.values()))

    def is_new(self, event: Event) -> bool:
        """Whether to tell `event`, which is then noted as told."""
        if event.key not in self.unfinished:
            return False
        seen = self._seen.get(event.key, -1)
        match event:
            case Started():
                self._seen[event.key] = max(seen, 0)
                return seen < 0
            case Evaluated(evaluation=evaluation):
                self._seen[event.key] = max(seen, evaluation.steps)
                return seen < evaluation.steps
            case Waits() | Warned():
                return True
            case _:
                del self.unfinished[event.key]
                return True
