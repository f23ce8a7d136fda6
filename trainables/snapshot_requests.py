"""A snapshot out of turn: SIGUSR1 asks this process for one at its trial's next evaluation, and training goes on.

Whoever knows that a machine is about to go sends it, `python -m grokgrid.engine.notices` for one.
"""

import signal
import threading
from collections.abc import Callable

from trainables.interrupts import only_here


def never() -> bool:
    return False


def snapshot_requests() -> Callable[[], bool]:
    """From now on SIGUSR1 asks, where it would have ended the process; returns what tells whether a snapshot was asked
    for since it was called last. Elsewhere than in the main thread, where no signals arrive, none ever is.
    """
    is_asked = False

    def note(number: int, _: object) -> None:
        nonlocal is_asked
        is_asked = True

    def asked() -> bool:
        nonlocal is_asked
        was_asked, is_asked = is_asked, False
        return was_asked

    if threading.current_thread() is not threading.main_thread():
        return never
    signal.signal(signal.SIGUSR1, note)
    only_here(signal.SIGUSR1)
    return asked
