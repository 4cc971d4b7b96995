"""Work that takes minutes in, a progress bar on the terminal out; plain silence where there is none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def training_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each kind of work; call it with what is done, how much of it, and how much there is."""
    with _bar() as bar:
        tasks = {}

        def told(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done)

        yield told


@contextmanager
def counting(what: str, of: int) -> Iterator[Callable[[str], None]]:
    """One bar that moves on by each call."""
    with _bar() as bar:
        task = bar.add_task(what, total=of)

        def told(_name: str) -> None:
            bar.advance(task)

        yield told
