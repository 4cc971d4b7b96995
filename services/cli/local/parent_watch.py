"""The parent process's end in, this process's end out: helpers started by the command never outlive it."""

import os
import threading
from collections.abc import Callable

PARENT_CHECK_S = 0.5


def when_parent_ends(act: Callable[[], None]) -> threading.Thread:
    """Call `act` once, from a thread of its own, when the process that started this one is gone."""
    parent = os.getppid()
    pause = threading.Event()

    def watch() -> None:
        while os.getppid() == parent:
            pause.wait(PARENT_CHECK_S)
        act()

    thread = threading.Thread(target=watch, name="parent", daemon=True)
    thread.start()
    return thread
