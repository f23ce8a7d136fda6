"""Ctrl-C that waits for a good moment, so that what a loop has in hand is put down properly first.

    with deferred_interrupts() as asked:
        while not asked():
            ...

The first SIGINT or SIGTERM is only noted; the second raises KeyboardInterrupt wherever the program is.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Gives what tells whether an interrupt was asked for. Elsewhere than in the main thread, where none arrive, it
    never was.
    """
    asked = False

    def note(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
