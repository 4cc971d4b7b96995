"""Watches the parent process, so that processes started by the command end with it."""

import os
import threading
from collections.abc import Callable

PARENT_CHECK_S = 0.5


def when_parent_ends(act: Callable[[], None]) -> threading.Thread:
    """Call `act` once, in a thread, when the process that started this one has ended."""
    parent = os.getppid()
    pause = threading.Event()

    def watch() -> None:
        while os.getppid() == parent:
            pause.wait(PARENT_CHECK_S)
        act()

    thread = threading.Thread(target=watch, name="parent", daemon=True)
    thread.start()
    return thread
