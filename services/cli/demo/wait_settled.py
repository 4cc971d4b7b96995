"""A stack that is still at work in, everything settled out: or the sentence that says what is not."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.cli.client.api_client import Doors
from services.cli.demo.balance import Book, read_book
from services.cli.demo.target import Stack

QUIET_DEADLINE_S = 60.0
"""How long nothing may move before the wait is given up."""
POLL_S = 0.2
PENDING = "pending"
WAITING = frozenset({"pending", "retrying"})


@dataclass(frozen=True, slots=True)
class Settled:
    """Everything the doors tell once nothing moves any more."""

    book: Book
    episodes: list[dict[str, Any]] = field(default_factory=list)
    """Each with `practice` beside what the door gives."""
    decisions: list[dict[str, Any]] = field(default_factory=list)
    unfinished: str | None = None
    """What was still under way when the wait was given up; None: nothing."""


def settle(
    stack: Stack,
    doors: Doors,
    expected: int,
    moved: Callable[[int], None],
    doubtful: Sequence[tuple[str | None, str]] = (),
) -> Settled:
    """Wait until `expected` deliveries have an outcome, every change of an episode is decided upon, and
    every message is sent; `moved` hears how many deliveries have one.

    `doubtful`: practice and id of ratings that are asked for one by one, because deliveries of others may
    have come twice and then hide in the count that these are still under way.
    """
    last, since = None, time.monotonic()
    pending = list(doubtful)
    while True:
        book = read_book(doors, stack.practices)
        moved(min(book.delivered, expected))
        unfinished = _behind(book, expected)
        if unfinished is None and pending:
            pending = [one for one in pending if doors.rating_status(*one) == PENDING]
            unfinished = f"{len(pending)} accepted ratings have no outcome yet" if pending else None
            # What became of them stands in a book that is read after them.
            book = read_book(doors, stack.practices)
        if unfinished is None:
            settled = _gather(stack, doors)
            if settled.unfinished is None:
                return settled
            unfinished = settled.unfinished
        state = (book, unfinished)
        if state != last:
            last, since = state, time.monotonic()
        elif time.monotonic() - since > QUIET_DEADLINE_S:
            return Settled(book, unfinished=unfinished)
        time.sleep(POLL_S)


def _behind(book: Book, expected: int) -> str | None:
    if book.delivered < expected:
        return f"{expected - book.delivered} accepted ratings have no outcome yet"
    waiting = sum(count for (_, state), count in book.messages.items() if state in WAITING)
    return f"{waiting} messages are not sent yet" if waiting else None


def _gather(stack: Stack, doors: Doors) -> Settled:
    # An episode that changed while the pages were read stands in two of them: the last is the newest.
    episodes = {
        str(episode["episode_id"]): {**episode, "practice": practice}
        for practice in stack.practices
        for episode in doors.episodes(practice)
    }
    decisions = [
        {**decision, "practice": practice}
        for practice in stack.practices
        for decision in doors.notifications(practice)
    ]
    decided = {(str(one["episode_id"]), one["revision"]) for one in decisions}
    wanted = {
        (str(one["episode_id"]), revision)
        for one in episodes.values()
        for revision in range(1, one["revision"] + 1)
    }
    missing = len(wanted - decided)
    # Read again: a decision may have queued a message after the first look.
    book = read_book(doors, stack.practices)
    return Settled(
        book,
        list(episodes.values()),
        decisions,
        f"{missing} changes of episodes are not decided upon by the notifier yet"
        if missing
        else _behind(book, 0),
    )
