"""Progress in, a bar on a terminal or a plain line elsewhere out."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def on_terminal() -> bool:
    """Whether a person sits in front of it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def bar(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show `what` moving to `total`; yields the function that takes how many are done."""
    if not sys.stdout.isatty():
        yield lambda _done: None
        sys.stdout.write(f"{what}: {total} of {total}\n")
        sys.stdout.flush()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as shown:
        task = shown.add_task(what, total=total, completed=done)
        yield lambda now: shown.update(task, completed=now)
