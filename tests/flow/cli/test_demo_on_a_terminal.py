"""On a terminal the demonstration stays up: o opens the item signed in, Enter stops everything."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.terminal import Terminal

# Waits for the page, as a text browser does, and leaves what a person would see.
BROWSER = """#!{python}
import sys
from pathlib import Path
import httpx
page = httpx.Client(follow_redirects=True, trust_env=False).get(sys.argv[1])
Path({seen!r}).with_suffix(".part").write_text(f"{{page.status_code}} {{page.text}}")
Path({seen!r}).with_suffix(".part").rename({seen!r})
"""


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
