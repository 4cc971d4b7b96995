"""Shows the progress of long work: bars on a terminal, one plain line for each kind of work elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

ShowProgress = Callable[[str, int, int], None]
"""Takes the kind of work, how many units are done, and how many there are."""


def on_terminal() -> bool:
    """Return whether a person can type and read here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def progress_bars() -> Iterator[ShowProgress]:
    """Show a bar for each kind of work, on standard error so that a command's output stays clean."""
    if not sys.stderr.isatty():
        newest: dict[str, tuple[int, int]] = {}
        yield lambda what, done, total: newest.update({what: (done, total)})
        sys.stderr.writelines(f"{what}: {done} of {total}\n" for what, (done, total) in newest.items())
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield show


@contextmanager
def progress_bar(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show one bar; yields the function that takes how many units are done by now."""
    with progress_bars() as show:
        show(what, done, total)
        yield lambda now: show(what, now, total)


@contextmanager
def step_counter(what: str, total: int) -> Iterator[Callable[[object], None]]:
    """Show one bar that moves by one at each call, whatever it is called with."""
    done = count(1)
    with progress_bar(what, total) as advance:
        yield lambda _step: advance(next(done))
