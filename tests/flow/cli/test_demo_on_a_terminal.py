"""On a terminal the demonstration stays up: o opens the item signed in, Enter stops everything."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

DEADLINE_S = 90.0

# Waits for the page, as a text browser does, and leaves what a person would see.
BROWSER = """#!{python}
import sys
from pathlib import Path
import httpx
page = httpx.Client(follow_redirects=True, trust_env=False).get(sys.argv[1])
Path({seen!r}).with_suffix(".part").write_text(f"{{page.status_code}} {{page.text}}")
Path({seen!r}).with_suffix(".part").rename({seen!r})
"""


class Terminal:
    """A program on a terminal of its own: what it shows, and the keys it gets."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.shown = ""

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

    def press(self, keys: str) -> None:
        """Type, once the program takes single keys: what is typed before is thrown away."""
        self.wait(lambda: not termios.tcgetattr(self._ours)[3] & termios.ICANON, "the taking of keys")
        os.write(self._ours, keys.encode())


@pytest.mark.timeout(240)
def test_o_opens_the_item_signed_in_and_enter_stops_everything(tmp_path: Path, home_of_its_own: Path) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(BROWSER.format(python=sys.executable, seen=str(seen)))
    browser.chmod(0o755)
    terminal = Terminal(
        [sys.executable, "-m", "services.cli", "demo", "--clients", "24", "--sessions", "8",
         "--therapists", "4", "--rate", "400"],
        {**os.environ, "RAPPORT_HOME": str(home_of_its_own), "BROWSER": f"{browser} %s", "TERM": "xterm"},
    )  # fmt: skip
    try:
        terminal.wait(lambda: "press Enter to stop everything" in terminal.shown, "the offer")
        children = psutil.Process(terminal.process.pid).children(recursive=True)
        terminal.press("o")
        terminal.wait(seen.exists, "the browser")
        terminal.press("\r")
        terminal.wait(lambda: terminal.process.poll() is not None, "the end")
    finally:
        terminal.end()
    page = seen.read_text()
    assert page.startswith("200 ")
    assert "What changed" in page
    assert terminal.process.returncode == 0
    assert [child.pid for child in children if child.is_running()] == []
