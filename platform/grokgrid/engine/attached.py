"""The engine at the other end of Ray's client: ray://HEAD:10001, from a machine that is not of the cluster.

Tune has to run where the cluster is. So a RayEngine lives in an actor there, and what is here passes on what it is
given, and asks for news. The grokgrid of this machine goes along, as with a job. When this process ends, so do the
actor and all that it runs; from the snapshots another engine continues.

Workers write to storage and the driver reads from it: both must see the same folder, which is tried first.
"""

import secrets
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, final

import ray

from grokgrid.engine.interface import Block, EngineError, EngineGone, Event
from grokgrid.engine.ray import RayEngine, connect
from grokgrid.machine import mark_storage, remove_marks

T = TypeVar("T")

_START_S = 180.0
_CALL_S = 60.0


class _Far:
    """The actor."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def start(self) -> int:
        self._engine = RayEngine(**self._settings)
        return self._engine.num_slots

    def mark_storage(self, folder: Path, mark: str) -> str | None:
        return mark_storage(folder, mark).error

    def submit(self, block: Block) -> None:
        self._engine.submit(block)

    def poll(self, timeout_s: float) -> list[Event]:
        return self._engine.poll(timeout_s)

    def close(self) -> None:
        self._engine.close()


@final
class AttachedEngine:
    """Runs blocks on the cluster at `address`, "ray://HOST:PORT". `storage` is the folder that all of them will use;
    for the rest see RayEngine.

    Raises:
        EngineError: the cluster cannot be reached, has no room, or does not see the storage that is seen here.
    """

    def __init__(
        self,
        address: str,
        *,
        storage: Path,
        num_cpus_per_trial: float = 1,
        num_gpus_per_trial: float = 0,
        num_slots: int | None = None,
    ) -> None:
        self._owns_connection = not ray.is_initialized()
        if self._owns_connection:
            connect(address)
        elif not ray.util.client.ray.is_connected():  # type: ignore[no-untyped-call]
            raise EngineError(f"address {address!r}: this process is connected to another Ray already")
        try:
            far: Any = ray.remote(_Far)
            self._far: Any = far.options(num_cpus=0).remote(
                num_cpus_per_trial=num_cpus_per_trial,
                num_gpus_per_trial=num_gpus_per_trial,
                address="auto",
                num_slots=num_slots,
            )
            self._check_shared(storage)
            self.num_slots: int = self._get(self._far.start.remote(), _START_S)
        except BaseException:
            self._disconnect()
            raise
        self._is_open = True

    def submit(self, block: Block) -> None:
        self._get(self._far.submit.remote(block))

    def poll(self, timeout_s: float) -> list[Event]:
        events: list[Event] = self._get(self._far.poll.remote(timeout_s), timeout_s + _CALL_S)
        return events

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self._get(self._far.close.remote())
            finally:
                ray.kill(self._far)
                self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _disconnect(self) -> None:
        if self._owns_connection:
            ray.shutdown()

    def _check_shared(self, storage: Path) -> None:
        folder, mark = storage.parent / f".attached-{secrets.token_hex(4)}", "far"
        try:
            far_error = self._get(self._far.mark_storage.remote(folder, mark), _START_S)
            near = mark_storage(folder, "near")
            if far_error or near.error or mark not in near.seen:
                reason = f"the cluster cannot write there ({far_error})" if far_error else "the cluster has another one"
                raise EngineError(
                    f"storage {storage.parent}: {near.error or reason}, and an attached run needs one folder that both"
                    " see: GROKGRID_STORAGE names it. `grokgrid submit` needs none here"
                )
        finally:
            remove_marks(folder)

    def _get(self, answer: Any, timeout_s: float = _CALL_S) -> Any:
        try:
            return ray.get(answer, timeout=timeout_s)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error  # As the engine at the other end raised it.
        except (ray.exceptions.RayError, ConnectionError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise EngineGone(
                f"The cluster does not answer: {reason}. What was done is saved: once the cluster is back, run the"
                " command again to continue."
            ) from error
