"""Ratings in order in, delivered through ingest's batch door; what is not answered is sent again."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from services.cli.client.api_client import Doors, LineResult

GIVE_UP_S = 60.0
"""How long ingest may be away or overloaded before the delivery stops, to be resumed."""
PAUSE_AT_MOST_S = 5.0
CHUNKS_PER_SECOND = 10


class Stopped(RuntimeError):
    """Ingest did not take a rating for too long; `tally.done` says from where to go on."""


@dataclass(frozen=True, slots=True)
class Item:
    """One rating: its line in the file it came from, the practice to act for, and its JSON."""

    line: int
    practice: str | None
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Tally:
    """What became of what was sent."""

    done: int = 0
    accepted: int = 0
    accepted_by_practice: Counter[str | None] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refused_lines: list[tuple[int, str]] = field(default_factory=list)
    sent_again: int = 0
    """Lines sent once more for want of an answer: the only ones that may have been delivered twice."""
    taken: list[tuple[str | None, str]] | None = None
    """Practice and id of each accepted rating, where somebody wants them: an empty list is filled."""

    @property
    def doubtful(self) -> list[tuple[str | None, str]]:
        """What was `taken`, if counts alone cannot tell that all of it has an outcome: when something was
        sent again, a second delivery of one rating counts as much as the first of another."""
        return list(self.taken or []) if self.sent_again else []

    def count(self, item: Item, result: LineResult) -> None:
        """Take one final answer in."""
        self.done += 1
        if result.status == "accepted":
            self.accepted += 1
            self.accepted_by_practice[item.practice] += 1
            if self.taken is not None and result.rating_id is not None:
                self.taken.append((item.practice, result.rating_id))
        else:
            self.refused[result.reason.split(":")[0]] += 1
            self.refused_lines.append((item.line, result.reason))


def deliver(
    doors: Doors,
    items: Iterable[Item],
    tally: Tally,
    *,
    rate: float | None = None,
    chunk: int = 1000,
    progress: Callable[[Tally], None] = lambda _tally: None,
) -> None:
    """Send all items in order, at most `rate` a second (None: as fast as they are taken).

    Raises:
        Stopped: nothing was taken for `GIVE_UP_S`.
        DoorShut: the key or the practice is wrong.
    """
    size = max(1, int(rate / CHUNKS_PER_SECOND)) if rate else chunk
    started = time.monotonic()
    sent = 0
    for part in _chunks(items, size):
        if rate:
            time.sleep(max(0.0, started + sent / rate - time.monotonic()))
        for practice in dict.fromkeys(item.practice for item in part):
            _deliver_all(doors, practice, [item for item in part if item.practice == practice], tally)
        sent += len(part)
        progress(tally)


def _deliver_all(doors: Doors, practice: str | None, items: Sequence[Item], tally: Tally) -> None:
    left = list(items)
    last_taken = time.monotonic()
    pause = 0.2
    while left:
        results = doors.send_batch(practice, [item.body for item in left])
        again = []
        for item, result in zip(left, results, strict=True):
            if result.status in {"accepted", "refused"}:
                tally.count(item, result)
            else:
                again.append((item, result))
        if len(again) < len(left):
            last_taken, pause = time.monotonic(), 0.2
        elif time.monotonic() - last_taken > GIVE_UP_S:
            raise Stopped(f"ingest took nothing for {GIVE_UP_S:.0f} s; {tally.done} lines are answered")
        left = [item for item, _ in again]
        if again:
            tally.sent_again += sum(
                result.status is None or result.reason == "broker-silent" for _, result in again
            )
            asked = max((result.retry_after_s for _, result in again if result.status), default=0.0)
            time.sleep(min(max(pause, asked), PAUSE_AT_MOST_S))
            pause *= 2


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while part := list(islice(source, size)):
        yield part
