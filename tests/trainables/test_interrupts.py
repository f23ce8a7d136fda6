"""Signals that ask for an end, and the children of a process that handles them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from trainables.interrupts import deferred_interrupts, only_here
from trainables.snapshot_requests import snapshot_requests

HANDLED = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]


@pytest.fixture
def asked() -> Iterator[Callable[[], int]]:
    """This process, as it is while a study runs in it: all signals are handled."""
    before = signal.getsignal(signal.SIGUSR1)
    snapshot_requests()
    with deferred_interrupts() as asked:
        yield asked
    signal.signal(signal.SIGUSR1, before)


class TestASignal:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_is_noted(self, number: signal.Signals, asked: Callable[[], int]):
        assert not asked()
        signal.raise_signal(number)
        assert asked() == number

    @pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_and_ctrl_c_after_it_stops_at_once(self, first: signal.Signals, asked: Callable[[], int]):
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    @pytest.mark.parametrize("twice", [signal.SIGTERM, signal.SIGHUP])
    def test_that_is_sent_twice_in_a_row_is_one(self, twice: signal.Signals, asked: Callable[[], int]):
        """As `timeout` sends SIGTERM, and as the kernel and the shell both send SIGHUP when a terminal is closed."""
        signal.raise_signal(twice)
        signal.raise_signal(twice)
        signal.raise_signal(signal.SIGHUP)
        assert asked() == twice

    def test_another_sigterm_later_stops_at_once(self, asked: Callable[[], int], monkeypatch: pytest.MonkeyPatch):
        signal.raise_signal(signal.SIGTERM)
        later = time.monotonic() + 2
        monkeypatch.setattr(time, "monotonic", lambda: later)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_that_was_ignored_before_stays_ignored(self, number: signal.Signals):
        before = signal.signal(number, signal.SIG_IGN)
        try:
            with deferred_interrupts() as asked:
                signal.raise_signal(number)
                assert not asked()
            assert signal.getsignal(number) is signal.SIG_IGN
        finally:
            signal.signal(number, before)


def fork(child: Callable[[], None]) -> int:
    pid = os.fork()
    if not pid:
        child()
        os._exit(0)
    return pid


def ended_by(pid: int) -> int:
    """The signal that ended a child; 0 if it ended by itself."""
    until = time.monotonic() + 30
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


@pytest.mark.usefixtures("asked")
class TestAChildIsEndedByIt:
    @pytest.mark.parametrize("number", HANDLED)
    def test_at_whatever_moment_it_comes(self, number: signal.Signals):
        for _ in range(30):
            pid = fork(lambda: time.sleep(60))
            os.kill(pid, number)
            assert ended_by(pid) == number

    def test_not_if_the_child_handles_it(self):
        def child() -> None:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            os.kill(os.getpid(), signal.SIGTERM)

        assert ended_by(fork(child)) == 0

    def test_not_if_its_parent_handles_it_and_not_we(self):
        """A handler of a plugin's own goes to its children, as ever."""
        before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        try:
            assert ended_by(fork(lambda: os.kill(os.getpid(), signal.SIGTERM))) == 0
        finally:
            signal.signal(signal.SIGTERM, before)

    def test_though_it_is_blocked_here(self):
        """As Ray's workers block SIGINT."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            only_here(signal.SIGINT)
            pid = fork(lambda: time.sleep(60))
            os.kill(pid, signal.SIGINT)
            assert ended_by(pid) == signal.SIGINT
            assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def test_so_a_pool_can_be_terminated(self):
        for _ in range(3):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert pool.map(abs, [-1, -2]) == [1, 2]
            pool.join()

    def test_so_a_daemon_is_gone_when_it_is_terminated(self):
        daemon = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
        daemon.start()
        daemon.terminate()
        daemon.join(30)
        assert daemon.exitcode == -signal.SIGTERM

    def test_so_the_workers_of_a_data_loader_are_gone_when_it_is(self):
        loader = torch.utils.data.DataLoader(range(8), num_workers=2, multiprocessing_context="fork")  # type: ignore[arg-type]
        batches = iter(loader)
        next(batches)
        workers = list(batches._workers)  # type: ignore[attr-defined]
        for worker in workers:
            worker.terminate()
            worker.join(30)
        assert not any(worker.is_alive() for worker in workers)

    def test_also_one_that_is_started_with_a_preexec_fn(self):
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        with subprocess.Popen(command, preexec_fn=lambda: time.sleep(0.2)) as child:
            child.terminate()
            assert child.wait(30) == -signal.SIGTERM
