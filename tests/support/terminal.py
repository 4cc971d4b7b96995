"""Runs a program on a terminal of its own, and types as a person does."""

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 90.0


class Terminal:
    """A program on a terminal of its own: what it shows, and the keys it gets."""

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path | None = None) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            words,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self._answered = 0

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        """Read on until `holds()`."""
        ends = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < ends, f"waited in vain for {what}:\n{self.shown[-3000:]}"
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self._ours, 65536).decode(errors="replace")
                except OSError:  # the other end is closed
                    self.process.wait(DEADLINE_S)

    def end(self) -> None:
        """Whatever state it is in: as a closed window would end it."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(DEADLINE_S)
        os.close(self._ours)

    def answer(self, prompt: str, line: str) -> None:
        """Type a line once the program asks for it."""
        self.wait(lambda: prompt in self.shown[self._answered :], prompt)
        self._answered = len(self.shown)
        os.write(self._ours, f"{line}\n".encode())

    def press(self, keys: str) -> None:
        """Type, once the program takes single keys: what is typed before is thrown away."""
        self.wait(lambda: not termios.tcgetattr(self._ours)[3] & termios.ICANON, "the taking of keys")
        os.write(self._ours, keys.encode())
