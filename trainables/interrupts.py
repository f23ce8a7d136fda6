"""Signals that ask for an end: what a loop has in hand is put down properly first.

    with deferred_interrupts() as asked:
        while not asked():
            ...

The first SIGINT (Ctrl-C), SIGTERM or SIGHUP (the terminal is closed) is only noted. A second Ctrl-C raises
KeyboardInterrupt wherever the program is, and so does a SIGTERM that comes later than a second after the first signal:
`timeout` and shells send theirs twice at once. A signal that was ignored when the program started, as SIGHUP is under
nohup, stays ignored.

A child that a plugin forks (multiprocessing, a DataLoader's workers, os.fork) has no such loop. With our handlers it
would swallow the signal by which its parent ends it, and the parent would wait for ever; so children get the system's
default: each of these signals ends them.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_HANDLED = (*ENDING, signal.SIGUSR1)
_SENT_TWICE_WITHIN_S = 1.0

_not_for_children: WeakSet[Callable[..., Any]] = WeakSet()
_unblocked_in_children: set[int] = set()


@contextmanager
def deferred_interrupts(announce: Callable[[], None] = lambda: None) -> Iterator[Callable[[], int]]:
    """Gives a function that returns the number of the signal that asked for the end, or 0. It is always 0 outside of
    the main thread, where no signals arrive. `announce` is called when the signal comes.
    """
    number, since = 0, 0.0

    def note(signum: int, frame: object) -> None:
        nonlocal number, since
        if not number:
            number, since = signum, time.monotonic()
            announce()
        elif signum == signal.SIGINT or (signum == signal.SIGTERM and time.monotonic() - since > _SENT_TWICE_WITHIN_S):
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    before = {each: signal.signal(each, note) for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN}
    only_here(*before)
    try:
        yield lambda: number
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def only_here(*numbers: int) -> None:
    """The handlers that these signals have now are for this process and not for its children; nor are the signals
    blocked in children, should they be blocked in this thread.
    """
    _not_for_children.update(handler for number in numbers if callable(handler := signal.getsignal(number)))
    _unblocked_in_children.update(signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(numbers))


class _Fork(threading.local):
    """From before a fork to after it no signal is handled: one that comes to the child before its handlers are the
    default ones waits until they are.
    """

    blocked: set[int]

    def before(self) -> None:
        self.blocked = set(signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED))

    def after_in_parent(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)

    def after_in_child(self) -> None:
        for number in _HANDLED:
            if callable(handler := signal.getsignal(number)) and handler in _not_for_children:
                # Of SIGINT, too, and not Python's KeyboardInterrupt: one that is raised while Python runs what is
                # registered for a fork is lost.
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked - _unblocked_in_children)


_fork = _Fork()
os.register_at_fork(before=_fork.before, after_in_parent=_fork.after_in_parent, after_in_child=_fork.after_in_child)
