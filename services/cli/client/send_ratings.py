"""Ratings in order in, delivered through ingest's batch door; what is not answered is sent again."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from services.cli.client.api_client import ApiClient, RatingResult
from services.runtime.process.backoff import Backoff

GIVE_UP_S = 60.0
"""How long ingest may be away or overloaded before the delivery stops, to be resumed."""
FIRST_PAUSE_S = 0.2
PAUSE_AT_MOST_S = 5.0
CHUNKS_PER_SECOND = 10


class IngestUnavailable(RuntimeError):
    """Ingest did not take a rating for too long; `report.done` says from where to go on."""


@dataclass(frozen=True, slots=True)
class RatingToSend:
    """One rating: its line in the file it came from, the practice to act for, and its JSON."""

    line: int
    practice: str | None
    body: bytes = field(repr=False)


@dataclass(slots=True)
class DeliveryReport:
    """What became of what was sent."""

    done: int = 0
    accepted: int = 0
    accepted_by_practice: Counter[str | None] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refused_lines: list[tuple[int, str]] = field(default_factory=list)
    sent_again: int = 0
    """Lines sent once more for want of an answer: the only ones that may have been delivered twice."""
    accepted_ids: list[tuple[str | None, str]] | None = None
    """Practice and id of each accepted rating, where somebody wants them: an empty list is filled."""

    @property
    def unverified(self) -> list[tuple[str | None, str]]:
        """The accepted ratings whose outcome must be asked for one by one; empty when nothing was sent again.

        After a retry, counts are ambiguous: the second delivery of one rating counts as much as the first of
        another.
        """
        return list(self.accepted_ids or []) if self.sent_again else []

    def count(self, item: RatingToSend, result: RatingResult) -> None:
        """Take one final answer in."""
        self.done += 1
        if result.status == "accepted":
            self.accepted += 1
            self.accepted_by_practice[item.practice] += 1
            if self.accepted_ids is not None and result.rating_id is not None:
                self.accepted_ids.append((item.practice, result.rating_id))
        else:
            self.refused[result.reason.split(":")[0]] += 1
            self.refused_lines.append((item.line, result.reason))


def send_ratings(
    client: ApiClient,
    items: Iterable[RatingToSend],
    report: DeliveryReport,
    *,
    rate: float | None = None,
    chunk: int = 1000,
    progress: Callable[[DeliveryReport], None] = lambda _report: None,
) -> None:
    """Send all items in order, at most `rate` a second (None: as fast as ingest takes them).

    Raises:
        IngestUnavailable: ingest answered no rating for `GIVE_UP_S`.
        ApiError: the key or the practice is wrong.
    """
    size = max(1, int(rate / CHUNKS_PER_SECOND)) if rate else chunk
    started = time.monotonic()
    sent = 0
    for part in _chunks(items, size):
        if rate:
            time.sleep(max(0.0, started + sent / rate - time.monotonic()))
        for practice in dict.fromkeys(item.practice for item in part):
            _deliver_all(client, practice, [item for item in part if item.practice == practice], report)
        sent += len(part)
        progress(report)


def _deliver_all(
    client: ApiClient, practice: str | None, items: Sequence[RatingToSend], report: DeliveryReport
) -> None:
    left = list(items)
    last_taken = time.monotonic()
    backoff = Backoff(first_s=FIRST_PAUSE_S, cap_s=PAUSE_AT_MOST_S)
    while left:
        results = client.send_batch(practice, [item.body for item in left])
        again = []
        for item, result in zip(left, results, strict=True):
            if result.status in {"accepted", "refused"}:
                report.count(item, result)
            else:
                again.append((item, result))
        if len(again) < len(left):
            last_taken = time.monotonic()
            backoff.reset()
        elif time.monotonic() - last_taken > GIVE_UP_S:
            raise IngestUnavailable(
                f"ingest took nothing for {GIVE_UP_S:.0f} s; {report.done} lines are answered"
            )
        left = [item for item, _ in again]
        if again:
            report.sent_again += sum(
                result.status is None or result.reason == "broker-silent" for _, result in again
            )
            asked = max((result.retry_after_s for _, result in again if result.status), default=0.0)
            time.sleep(min(max(backoff.next_s(), asked), PAUSE_AT_MOST_S))


def _chunks(items: Iterable[RatingToSend], size: int) -> Iterator[list[RatingToSend]]:
    source = iter(items)
    while part := list(islice(source, size)):
        yield part
